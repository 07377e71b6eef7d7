"""The composition root: the one place that picks a concrete backend, store, probe and clock."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fireside.backends.local import LocalBackend
from fireside.connect.probe import Probe
from fireside.engine.clock import SystemClock
from fireside.engine.service import Engine
from fireside.ports import Clock
from fireside.settings import Settings
from fireside.stores.sql import SqlStore


@dataclass(frozen=True, slots=True)
class Assembled:
    """An engine with its parts open, ready to `run`."""

    engine: Engine
    installation: str
    clock: Clock


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Assembled]:
    """Open the store and put the engine together; close what is open on leaving. Nodes are left alone.

    Raises Refused or VersionMismatch when the store cannot be opened.
    """
    clock = SystemClock()
    async with AsyncExitStack() as opened:
        store = await SqlStore.open(settings.database)
        opened.push_async_callback(store.close)
        installation = await store.installation()
        local = LocalBackend(settings, installation.id)
        opened.push_async_callback(local.aclose)
        engine = Engine(
            store=store,
            backends={local.name: local},
            probe=await opened.enter_async_context(Probe()),
            clock=clock,
            # Its lock admits one server per home, so one that follows a killed one need not outwait the lease.
            holder=socket.gethostname(),
            poll=settings.poll,
        )
        yield Assembled(engine=engine, installation=installation.id, clock=clock)
