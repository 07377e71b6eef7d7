"""The gateway: HTTP in front of the engine, and the process that serves it.

Belongs here: routes, the forms that answers take, who asks (``auth``), the one error shape, streams, the server's
life (lock, socket, log, idle end). Does not belong here: decisions about clusters; a route says to the engine what was
asked and returns what it says.
"""
