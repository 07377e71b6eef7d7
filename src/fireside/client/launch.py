"""Finding the server of this user, starting it when there is none, and seeing that it speaks our language.

Twenty callers at once end up with one server: one of them starts it while the others wait, and should two servers be
started all the same, they compete for one lock and the loser leaves quietly. The process that a caller started tells
it through a pipe how the start went, so that a start that failed is the caller's error and not a time-out.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from fireside import wire
from fireside.client import rendezvous
from fireside.client.blocking import Client
from fireside.client.rendezvous import Meeting
from fireside.errors import NotFound, Refused, TimedOut, Unavailable, VersionMismatch
from fireside.settings import Settings, load

Progress = Callable[[str], None]
START_TIMEOUT = 20.0
"""Seconds for a server to answer after it was started."""
STOP_TIMEOUT = 30.0
_POLL = 0.02


NODE_LABELS = frozenset({"FIRESIDE_INSTALLATION", "FIRESIDE_CLUSTER", "FIRESIDE_NODE", "FIRESIDE_INCARNATION"})
"""What the local backend writes into the environment of its nodes, and everything that they start inherits."""


def open_client(settings: Settings | None = None, progress: Progress | None = None) -> Client:
    """Return a client of this user's server, which is started when none runs, now or later.

    Raises as :func:`ensure_server` does.
    """
    known = settings or load()
    return Client(ensure_server(known, progress), starter=lambda: ensure_server(known, progress))


def ensure_server(settings: Settings, progress: Progress | None = None) -> Path:
    """Return the socket of this user's server; start it when none runs.

    Raises Refused or NotAllowed (the home cannot be used, the server could not start), TimedOut (a server is there and
    does not answer) or VersionMismatch (it is of another version that this client does not understand).
    """
    meeting = rendezvous.meeting_of(settings)
    found = _version(meeting)
    if found is None:
        rendezvous.prepare(settings)
        if progress is not None:
            progress("starting the server of Fireside")
        found = _start(settings, meeting)
    _same_language(found)
    return meeting.socket


def running_client(settings: Settings | None = None) -> Client | None:
    """Return a client of this user's server; None when none runs. Starts nothing; raises as `ensure_server` does."""
    meeting = rendezvous.meeting_of(settings or load())
    found = _version(meeting)
    if found is None:
        return None
    _same_language(found)
    return Client(meeting.socket)


def stop_server(settings: Settings | None = None, timeout: float = STOP_TIMEOUT) -> bool:
    """End this user's server and wait until it has gone; clusters keep running. Return whether there was one.

    Works with a server of any version. Raises TimedOut naming the process that does not end.
    """
    meeting = rendezvous.meeting_of(settings or load())
    deadline = time.monotonic() + timeout
    try:
        Client(meeting.socket).stop_server()
    except Unavailable:
        if rendezvous.lock_is_free(meeting):
            return False
    while not rendezvous.lock_is_free(meeting):
        if time.monotonic() > deadline:
            raise _stuck(meeting, f"the server did not end within {timeout:g} s")
        time.sleep(_POLL)
    return True


def _version(meeting: Meeting) -> wire.Version | None:
    try:
        return Client(meeting.socket).version()
    except Unavailable:
        return None
    except NotFound as error:
        # `/version` is promised to stay; who answers otherwise is no Fireside.
        raise VersionMismatch(
            f"what answers at {meeting.socket} is no server of Fireside that this version knows",
            hint="fireside server stop",
        ) from error
    except TimedOut as error:
        raise _stuck(meeting, "the server of Fireside is there and does not answer") from error


def _same_language(found: wire.Version) -> None:
    if found.api == wire.API_VERSION:
        return
    from fireside import __version__

    newer = found.api > wire.API_VERSION
    raise VersionMismatch(
        f"this is Fireside {__version__} (API {wire.API_VERSION}), "
        f"but the server that runs is {found.version} (API {found.api})",
        field="version",
        found=found.version,
        allowed=f"API {wire.API_VERSION}",
        hint=(f"upgrade this one (pip install 'fireside=={found.version}'), or " if newer else "")
        + "end the server, clusters keep running, and ask again: fireside server stop",
    )


def _start(settings: Settings, meeting: Meeting) -> wire.Version:
    """Start a server, or wait for the one that another client starts; return what it says of itself."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with rendezvous.starting(meeting) as ours:
            found = _version(meeting)
            if found is not None:
                return found
            if ours:
                return _start_alone(settings, meeting)
        time.sleep(_POLL)
    raise _stuck(meeting, f"another client starts a server, and none answered within {START_TIMEOUT:g} s")


def _start_alone(settings: Settings, meeting: Meeting) -> wire.Version:
    deadline = time.monotonic() + START_TIMEOUT
    with _process(settings, meeting) as (process, report):
        while time.monotonic() < deadline:
            found = _version(meeting)
            if found is not None:
                return found
            _raise_failure(process, report, meeting)
    raise _stuck(meeting, f"the server of Fireside did not answer within {START_TIMEOUT:g} s of its start")


@contextlib.contextmanager
def _process(settings: Settings, meeting: Meeting) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a server in a session of its own, so that Ctrl-C here does not reach it; yield it and its report."""
    ours, theirs = os.pipe()
    try:
        with os.fdopen(os.open(meeting.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fireside.gateway", "--report", str(theirs)],
                env={**_environment(), "FIRESIDE_HOME": str(settings.home)},
                cwd=settings.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs,),
                start_new_session=True,
            )
    except OSError as error:
        raise rendezvous.cannot_use(meeting.log, error) from error
    finally:
        os.close(theirs)
    try:
        yield process, ours
    finally:
        os.close(ours)
        # It outlives a command, but a notebook outlives it: somebody has to reap it then, or it stays as a zombie.
        threading.Thread(target=process.wait, name="reap the server of Fireside", daemon=True).start()


def _environment() -> dict[str, str]:
    """Return our environment without the labels of a node: a server that a job starts is no part of its cluster."""
    return {name: value for name, value in os.environ.items() if name not in NODE_LABELS}


def _raise_failure(process: subprocess.Popen[bytes], report: int, meeting: Meeting) -> None:
    """Raise what the process reported; return after a moment when it is still starting or left it to another."""
    time.sleep(_POLL)
    readable, _, _ = select.select([report], [], [], 0)
    told = os.read(report, 65536) if readable else b""
    if told:
        raise wire.error_of(_problem(told))
    if process.poll():
        raise Refused(
            f"the server of Fireside ended while it started (exit status {process.returncode}): "
            f"{_last_line(meeting.log)}",
            found=str(process.returncode),
            hint=f"see {meeting.log}",
        )


def _problem(told: bytes) -> wire.Problem:
    try:
        return wire.Problem.model_validate_json(told)
    except ValidationError:
        return wire.Problem(code="internal", message=told.decode("utf-8", "replace"))


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1][:500] if lines else "the log is empty"


def _stuck(meeting: Meeting, message: str) -> TimedOut:
    pid = rendezvous.server_pid(meeting)
    who = f" (process {pid})" if pid else ""
    return TimedOut(
        message + who,
        found=str(pid) if pid else None,
        hint=f"see {meeting.log}" + (f"; end it: kill {pid}, or kill -9 {pid}; clusters keep running" if pid else ""),
    )
