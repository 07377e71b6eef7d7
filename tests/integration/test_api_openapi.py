"""The OpenAPI document says what the server does, for requests that nobody thought of (DYN-04, W-10)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fireside.engine.clock import SystemClock
from fireside.engine.service import Engine
from fireside.gateway.app import create_app
from fireside.gateway.context import Service
from fireside.testing.backend import FakeBackend
from fireside.testing.memory_store import MemoryStore
from fireside.testing.probe import FakeProbe


class Listening(threading.Thread):
    """A server with a fake backend on a free port of the loopback, in a thread of its own."""

    def __init__(self, socket: socket.socket) -> None:
        super().__init__(name="api", daemon=True)
        self.socket = socket
        backend, clock = FakeBackend(), SystemClock()
        self.engine = Engine(
            store=MemoryStore(),
            backends={"local": backend},
            probe=FakeProbe(backend.machine),
            clock=clock,
            holder="test",
        )
        app = create_app(Service(self.engine, "test", "1.0", stop=lambda: None))
        self.server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False))

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            supervising = tasks.create_task(self.engine.run())
            await self.server.serve(sockets=[self.socket])
            supervising.cancel()


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Listening(listening)
        server.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.server.should_exit = True
        server.join(30)


def _document() -> dict[str, Any]:
    engine = Engine(
        store=MemoryStore(), backends={}, probe=FakeProbe(FakeBackend().machine), clock=SystemClock(), holder="x"
    )
    return create_app(Service(engine, "test", "1.0", stop=lambda: None)).openapi()


schema = schemathesis.openapi.from_dict(_document())


@schemathesis.hook
def map_query(context: object, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Keep streams from going on for ever, and waits short."""
    for name, value in (("follow", "false"), ("timeout", "0")):
        if query and name in query:
            query[name] = value
    return query


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_behaviour_is_as_described(case: Any, base_url: str) -> None:
    # A spec has rules that the schema of a request does not say, so a request that fits the schema may be refused.
    case.call_and_validate(base_url=base_url, timeout=30, excluded_checks=[positive_data_acceptance])
