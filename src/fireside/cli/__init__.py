"""The command line: thin. A command parses, calls the API's client, and prints.

Belongs here: arguments, tables, progress, questions, exit statuses. Does not belong here: anything that a notebook
would want, too (that is `client`), decisions about clusters (`model`, `engine`), or knowledge of how nodes run.

A module per command group. `main` knows the commands by name and imports the module of the one that is called, so
that `fireside ps` loads neither pydantic nor httpx; every command imports what is heavy where it uses it.
"""
