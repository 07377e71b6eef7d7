"""`python -m fireside` is `fireside`."""

from fireside.cli.main import main

if __name__ == "__main__":
    main()
