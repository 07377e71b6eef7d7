"""`python -m fireside.gateway`: run the one server of this user. Started by ``fireside.client.launch``."""

from fireside.gateway.serve import main

if __name__ == "__main__":
    main()
