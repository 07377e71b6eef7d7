"""The client side: everybody who asks the API, the CLI and notebooks included, asks through this package.

Belongs here: the table of operations that both clients share, the blocking and the async client, finding or
starting the server of this user, a cluster as an object, what a client does with a cluster's connection. Does not
belong here: decisions about clusters (they are the engine's) and printing (that is the CLI's). Modules that every
command loads (``operations``, ``transport``, ``blocking``, ``launch``) import the standard library and the wire forms
only: a command has to answer at once.
"""
