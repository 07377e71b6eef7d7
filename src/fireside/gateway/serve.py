"""The process of the one server of a user: lock, socket, log, life and end.

::

    take the lock ──lost──→ wait until the winner answers, leave quietly
         │ won
    open store and engine ──failed──→ tell the starter, leave
         │
    bind the socket (0600, in a directory 0700), write server.json, serve
         │
    SIGTERM, POST /server/stop, or nothing to do ──→ end streams, stop the engine; nodes keep running

Heavy modules are imported after the lock is won: of twenty servers started at once, nineteen cost little.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fireside import wire
from fireside.client import rendezvous
from fireside.client.rendezvous import Meeting
from fireside.errors import FiresideError
from fireside.settings import Settings, load

_WINNER_TIMEOUT = 20.0
_POLL = 0.05


def main() -> None:
    """Run the server of this user until it ends; exit status 0, also when another one runs already."""
    parser = argparse.ArgumentParser(prog="python -m fireside.gateway", description="Run the server of this user.")
    parser.add_argument("--report", type=int, help="file descriptor to write a start that failed to")
    report: int | None = parser.parse_args().report
    os.umask(0o077)
    try:
        _compete(report)
    except FiresideError as error:
        _tell(report, error)
        sys.exit(wire.row_of(error).exit)


def _compete(report: int | None) -> None:
    """Run the server when this process is the one that may."""
    settings = load()
    try:
        meeting = rendezvous.prepare(settings)
        with _lock(meeting) as won:
            if won:
                _run(settings, meeting, report)
    except OSError as error:  # the disk is full: no room for the lock, the marker or the note
        raise rendezvous.cannot_use(Path(error.filename or settings.home), error) from error


def _run(settings: Settings, meeting: Meeting, report: int | None) -> None:
    import asyncio

    from fireside.gateway import logfile
    from fireside.gateway.life import live

    logfile.configure(meeting.log, settings)
    asyncio.run(live(settings, meeting, started=lambda: _close(report)))


@contextlib.contextmanager
def _lock(meeting: Meeting) -> Iterator[bool]:
    """Hold the lock; yield False when another server has it and answers.

    A server that is about to end still has the lock and no longer answers, so that losing once means nothing.
    """
    try:
        file = os.open(meeting.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise rendezvous.cannot_use(meeting.lock, error) from error
    try:
        won = _win(file, meeting)
        if won:
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        yield won
    finally:
        os.close(file)


def _win(file: int, meeting: Meeting) -> bool:
    deadline = time.monotonic() + _WINNER_TIMEOUT
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if answers(meeting) or time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        else:
            return True


def answers(meeting: Meeting) -> bool:
    """Return whether somebody listens at the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(str(meeting.socket))
        except OSError:
            return False
        return True


def _tell(report: int | None, error: FiresideError) -> None:
    problem = wire.problem_of(error).model_dump_json()
    if report is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(report, problem.encode())
    with contextlib.suppress(OSError):  # the log has no room when the disk is full
        print(problem, file=sys.stderr)  # noqa: T201 - the log that the starter opened


def _close(report: int | None) -> None:
    if report is not None:
        os.close(report)
