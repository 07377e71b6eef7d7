"""The errors that Fireside raises, split by who can act on them.

::

    FiresideError
    ├── UserError              who asked can mend it: change the request
    │   ├── InvalidSpec        a field has a value that it cannot have
    │   ├── DoesNotFit         the sizes asked for do not fit
    │   ├── Unsupported        a combination (versions, topology, backend) that cannot work
    │   ├── NotFound           no such cluster, node or route
    │   ├── Conflict           it exists already, differs, or changed meanwhile
    │   └── NotAllowed         the caller may not do this
    ├── WorldError             something outside has to change
    │   ├── TemporaryError     asking again later may help
    │   │   ├── Unavailable    nothing answers there (yet)
    │   │   └── TimedOut       the time limit of the caller ran out
    │   └── PermanentError     asking again will not help
    │       ├── VersionMismatch    two sides that must match do not
    │       ├── MissingPart        a program or package is not installed
    │       └── Refused            the machine said no: disk full, no permission, port taken
    └── InternalError          a bug of ours; please report it

Each error carries what the one error shape of the API carries: a message (what was tried, on what, what was
found), and optionally the field, the value found, what is allowed, and a hint (what to do).
"""

from __future__ import annotations


class FiresideError(Exception):
    """Base of every error that Fireside raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        found: str | None = None,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.found = found
        self.allowed = allowed
        self.hint = hint


class UserError(FiresideError):
    """The caller can mend it by asking for something else."""


class InvalidSpec(UserError):
    """A field is unknown, or has a value that it cannot have."""


class DoesNotFit(UserError):
    """The sizes asked for exceed what a node or the machine has."""


class Unsupported(UserError):
    """A combination of versions, topology and backend that cannot work."""


class NotFound(UserError):
    """No cluster, node or route of that name."""


class Conflict(UserError):
    """It exists already with another spec, or changed since it was read."""


class NotAllowed(UserError):
    """The caller may not do this."""


class WorldError(FiresideError):
    """Something outside Fireside and the request has to change."""


class TemporaryError(WorldError):
    """Asking again later may succeed without any change."""


class Unavailable(TemporaryError):
    """Nothing answers at the address yet."""


class TimedOut(TemporaryError):
    """The caller's time limit ran out; the message names what was waited for."""


class PermanentError(WorldError):
    """Asking again will not help until somebody acts."""


class VersionMismatch(PermanentError):
    """Two sides that must have the same version do not."""


class MissingPart(PermanentError):
    """A program, runtime or package that is needed is not installed."""


class Refused(PermanentError):
    """The machine refused: no room, no permission, a port that is taken."""


class InternalError(FiresideError):
    """A bug in Fireside."""
