"""Where records survive: the store's contract (:class:`fireside.ports.Store`) on SQL databases.

Belongs here: tables, migrations, statements, how a database file is opened and kept safe. Does not belong here: what
records mean (``model``), when they are written (``engine``). Only the server imports this package: SQLAlchemy is too
slow to load for a command line.
"""
