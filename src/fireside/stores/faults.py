"""What a database's own errors mean to whoever has to act on them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from fireside.errors import FiresideError, InternalError, Refused, Unavailable

RESTORE = "Move it and the files beside it away and restore a backup, or start with a new store."
_MEANING: dict[int, tuple[type[FiresideError], str, str]] = {
    sqlite3.SQLITE_FULL: (Refused, "there is no room left for it", "Free disk space."),
    sqlite3.SQLITE_IOERR: (
        Refused,
        "there is no room left for it (a full disk, a quota, a limit), or the disk is broken",
        "Free disk space; if there is enough, look at the machine's disk errors.",
    ),
    sqlite3.SQLITE_READONLY: (Refused, "it may only be read", "Make the file and its directory writable to you."),
    sqlite3.SQLITE_CANTOPEN: (Refused, "it cannot be opened", "Make its directory exist and be writable to you."),
    sqlite3.SQLITE_PERM: (Refused, "access is denied", "Make the file and its directory writable to you."),
    sqlite3.SQLITE_CORRUPT: (Refused, "its content is damaged", RESTORE),
    sqlite3.SQLITE_NOTADB: (Refused, "it is not a SQLite database", RESTORE),
    sqlite3.SQLITE_BUSY: (
        Unavailable,
        "another process has kept it locked",
        "Try again; if it stays so, find the process with `fuser` on that file.",
    ),
}


def explain(error: DBAPIError | sqlite3.Error, path: Path) -> FiresideError:
    """Return the error of ours that says what happened to the store at `path`."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    kind, what, hint = _MEANING.get(
        (code or 0) & 0xFF, (InternalError, "the database reports a fault", "Please report this.")
    )
    return kind(f"The store {path} cannot be used: {what} ({cause}).", found=str(path), hint=hint)


def explain_os(error: OSError, path: Path) -> Refused:
    """Return the error of ours for a file or directory that the system refused."""
    return Refused(
        f"The store {path} cannot be used: {error.strerror or error} ({error.filename or path}).",
        found=str(path),
        hint="Make its directory writable to you and free disk space, or choose another with FIRESIDE_HOME.",
    )
