"""Backends: where nodes run. Each one keeps the contract `fireside.ports.Backend`.

Belongs here: one package for each kind of place (`local`: processes of this machine), which none of the others
knows. Does not belong here: how a plan is written down (`render`), what should run (`engine`), whether a node can
be used (`connect`).
"""
