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

from fireside import __version__, wire
from fireside.assembly import Assembled, open_engine
from fireside.client import rendezvous
from fireside.client.rendezvous import Meeting
from fireside.gateway.app import Service, create_app
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
    async with open_engine(settings) as assembled:
        listening = bind(meeting)
        try:
            await _serve(settings, meeting, assembled, listening, started)
        finally:
            listening.close()
            meeting.socket.unlink(missing_ok=True)
            meeting.note.unlink(missing_ok=True)
    log.info("The server has ended; clusters keep running.", extra={"event": "server.ended"})


async def _serve(
    settings: Settings, meeting: Meeting, assembled: Assembled, listening: socket.socket, started: Callable[[], None]
) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    service = Service(assembled.engine, assembled.installation, __version__, stop=ending.set)
    traffic = Traffic(create_app(service), assembled.clock)
    server = _Server(
        uvicorn.Config(
            traffic, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE, ws="none"
        )
    )
    watchers: set[asyncio.Task[object]] = set()
    async with asyncio.TaskGroup() as tasks:
        engine = tasks.create_task(assembled.engine.run(), name="engine")
        serving = tasks.create_task(server.serve(sockets=[listening]), name="http")
        watchers.add(tasks.create_task(ending.wait(), name="ending"))
        if settings.idle_exit:
            idle = until_idle(traffic, lambda: assembled.engine.busy, assembled.clock, settings.idle_exit)
            watchers.add(tasks.create_task(idle, name="idle"))
        rendezvous.write_note(
            meeting,
            {"pid": os.getpid(), "version": __version__, "api": wire.API_VERSION, "socket": str(meeting.socket)},
        )
        started()
        log.info("The server answers at %s.", meeting.socket, extra={"event": "server.started"})
        await asyncio.wait({*watchers, serving, engine}, return_when=asyncio.FIRST_COMPLETED)
        log.info("The server ends.", extra={"event": "server.ending"})
        service.closing.set()
        server.should_exit = True
        await serving
        for task in (engine, *watchers):
            task.cancel()


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
