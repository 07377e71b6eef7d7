"""Pure values and decisions: what a cluster is, how it is planned, sized and judged.

Belongs here: frozen values, enums, functions from values to values. Does not belong here: clocks, files,
environment variables, sockets, processes, threads. Everything in this package can be tested without any set-up.
"""
