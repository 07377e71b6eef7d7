"""Nodes as processes of this machine: no containers, no root, nothing but Python and what pip brings.

Belongs here: all that knows of processes, ports, directories and Java runtimes of one machine. Does not belong
here: other backends, users, HTTP, and decisions about when a node should run.

How the modules lean on each other, from the bottom: `files` and `layout` (what lies where), `processes` (who is
who), `machine`, `java`, `runtime`, `requirements` and `places` (what there is to run with), `ports` (numbers for
nodes), `records` (what was started), `logs` and `reasons` (what nodes wrote, and why they died), `watching`,
`starting`, `ending`, `picture` (one verb each), `checks` (what would fail) and `backend` (the contract).
"""

from fireside.backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]
