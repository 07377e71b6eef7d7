"""How Fireside talks to the nodes of a cluster: a master's JSON page, a Connect server's handshake.

Belongs here: wire formats of Spark and the clients that speak them. Does not belong here: what to make of an
answer (that is the engine's), where nodes run (that is a backend's), and anything of ``pyspark``: asking a server
how it is must be possible without Spark's own client, which retries for minutes where we want an answer now.
"""
