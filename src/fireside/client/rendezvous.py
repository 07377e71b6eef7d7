"""Where the one server of a user and its clients meet: a socket, a lock and a note below the home of Fireside.

Both sides compute the same paths from the settings. A Unix socket's path is limited to about 100 bytes, so a deep
home gets a short path in a private directory of the system, named after a hash of the home.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fireside.errors import NotAllowed, Refused
from fireside.settings import Settings

_LONGEST = 100
"""Bytes that a socket's path may have on every system that we know (Linux 107, macOS 103)."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """The paths at which a server and its clients meet."""

    socket: Path
    lock: Path
    """Held by the server as long as it lives."""
    starting: Path
    """Held by the client that starts a server, until it answers: the others wait instead of starting more."""
    note: Path
    """JSON: who the server is."""
    log: Path


def meeting_of(settings: Settings) -> Meeting:
    """Return the paths that these settings mean; nothing is made."""
    return Meeting(
        socket=_socket_path(settings.run),
        lock=settings.run / "server.lock",
        starting=settings.run / "starting.lock",
        note=settings.run / "server.json",
        log=settings.run / "server.log",
    )


def prepare(settings: Settings) -> Meeting:
    """Make the directories for a meeting, 0700, and return the paths.

    Raises Refused naming the directory that cannot be made or written, NotAllowed for one that is another user's.
    """
    meeting = meeting_of(settings)
    for directory in (settings.home, settings.run, meeting.socket.parent):
        private_directory(directory)
    return meeting


def private_directory(path: Path) -> None:
    """Make a directory that only this user can enter, or see that it is one already.

    A symbolic link in its place is refused: in a directory that everybody may write (`/tmp`) it could be
    anybody's. Raises Refused or NotAllowed.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) and path.parent == _runtime():
            raise NotAllowed(f"{path} is a symbolic link", found=str(path), hint="remove it, then try again")
        found = path.stat()
        if found.st_uid != os.getuid():
            raise NotAllowed(
                f"{path} belongs to user {found.st_uid}, not to you",
                field="FIRESIDE_HOME",
                found=str(path),
                hint="set FIRESIDE_HOME to a directory of your own",
            )
        if found.st_mode & 0o077:
            _refuse_what_is_shared(path)
            path.chmod(0o700)
    except OSError as error:
        raise cannot_use(path, error) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise cannot_use(path, PermissionError("it is not writable"))


def _refuse_what_is_shared(path: Path) -> None:
    """Raise NotAllowed for a directory that others use: closing it to them would be no help to anybody."""
    if (path / "installation.json").exists() or (path / "run").exists() or not any(path.iterdir()):
        return
    raise NotAllowed(
        f"{path} is open to other users and holds other things than Fireside's",
        field="FIRESIDE_HOME",
        found=str(path),
        hint=f"set FIRESIDE_HOME to a directory of its own, such as {path / 'fireside'}",
    )


def cannot_use(path: Path, error: OSError) -> Refused:
    """Return the error for a directory or file that Fireside needs and cannot use."""
    return Refused(
        f"cannot use {path}: {error.strerror or error}",
        field="FIRESIDE_HOME",
        found=str(path),
        hint="set FIRESIDE_HOME to a directory that you can write",
    )


def lock_is_free(meeting: Meeting) -> bool:
    """Return whether no server holds the lock now."""
    try:
        with meeting.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


@contextmanager
def starting(meeting: Meeting) -> Iterator[bool]:
    """Try to be the one client that starts a server; yield whether this is it. Gives the place back on leaving."""
    try:
        file = os.open(meeting.starting, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise cannot_use(meeting.starting, error) from error
    try:
        yield _locked(file)
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def server_pid(meeting: Meeting) -> int | None:
    """Return the process that holds or held the lock last, as it wrote down; None when there is no such note."""
    try:
        return int(meeting.lock.read_text().strip())
    except (OSError, ValueError):
        return None


def write_note(meeting: Meeting, content: dict[str, object]) -> None:
    """Write who the server is, 0600, in one step."""
    new = meeting.note.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
    new.replace(meeting.note)


def _socket_path(run: Path) -> Path:
    usual = run / "server.sock"
    if len(os.fsencode(usual)) <= _LONGEST:
        return usual
    name = hashlib.sha256(os.fsencode(run)).hexdigest()[:16]
    return _runtime() / f"fireside-{os.getuid()}" / f"{name}.sock"


def _runtime() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR")
    return Path(given) if given and Path(given).is_dir() and len(os.fsencode(given)) < 60 else Path("/tmp")  # noqa: S108 - private below, owner checked
