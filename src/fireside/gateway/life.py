"""The life of a server that won the lock: open, serve, end.

The socket is bound by us and not by uvicorn, which would open it to everybody. It is bound only when the engine is
open, so that whoever can connect is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from fireside import __version__, wire
from fireside.assembly import Assembled, open_engine
from fireside.client import rendezvous
from fireside.client.rendezvous import Meeting
from fireside.gateway.app import create_app
from fireside.gateway.context import Service
from fireside.gateway.idle import Traffic, until_idle
from fireside.settings import Settings

log = logging.getLogger(__name__)
GRACE = 5
"""Whole seconds that requests get to end, before they are cancelled."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


async def live(settings: Settings, meeting: Meeting, *, started: Callable[[], None]) -> None:
    """Serve until SIGTERM, a request to end, or idleness; call `started` when requests are answered.

    Raises what opening the engine raises.
    """
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with open_engine(settings) as assembled:
        await serve(assembled, meeting, ending, idle_exit=settings.idle_exit, started=started)
    log.info("The server has ended; clusters keep running.", extra={"event_name": "server.ended"})


async def serve(
    assembled: Assembled,
    meeting: Meeting,
    ending: asyncio.Event,
    *,
    idle_exit: float = 0.0,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve an open engine until `ending` is set, or nothing was to do for `idle_exit` seconds (0: never)."""
    service = Service(assembled.engine, assembled.installation, __version__, stop=ending.set)
    traffic = Traffic(create_app(service), assembled.clock)
    server = _Server(_config(traffic))
    with _listening(meeting) as listening:
        async with asyncio.TaskGroup() as tasks:
            engine = tasks.create_task(assembled.engine.run(), name="engine")
            http = tasks.create_task(server.serve(sockets=[listening]), name="http")
            watchers: list[asyncio.Task[object]] = [tasks.create_task(ending.wait(), name="ending")]
            if idle_exit:
                idle = until_idle(traffic, lambda: assembled.engine.busy, assembled.clock, idle_exit)
                watchers.append(tasks.create_task(idle, name="idle"))
            started()
            log.info("The server answers at %s.", meeting.socket, extra={"event_name": "server.started"})
            await asyncio.wait({*watchers, http, engine}, return_when=asyncio.FIRST_COMPLETED)
            log.info("The server ends.", extra={"event_name": "server.ending"})
            service.closing.set()
            server.should_exit = True
            await http
            for task in (engine, *watchers):
                task.cancel()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE, ws="none"
    )


@contextlib.contextmanager
def _listening(meeting: Meeting) -> Iterator[socket.socket]:
    """Listen, and leave the note that says who does; take both away at the end."""
    listening = bind(meeting)
    try:
        who = {"pid": os.getpid(), "version": __version__, "api": wire.API_VERSION, "socket": str(meeting.socket)}
        rendezvous.write_note(meeting, who)
        yield listening
    finally:
        listening.close()
        meeting.socket.unlink(missing_ok=True)
        meeting.note.unlink(missing_ok=True)


def bind(meeting: Meeting) -> socket.socket:
    """Listen at the socket, which only this user can open. Called by the holder of the lock alone."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        meeting.socket.unlink(missing_ok=True)
        listening.bind(str(meeting.socket))
        meeting.socket.chmod(0o600)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise rendezvous.cannot_use(meeting.socket, error) from error
    return listening
