"""Stand-ins: small Python processes in the place of JVMs, started through the real local backend."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import SecretStr

from fireside.backends.local import LocalBackend
from fireside.model import defaults, planning
from fireside.model.plan import Node, Plan, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.render.process import ProcessDefinition, Site, process
from fireside.settings import Settings

T = TypeVar("T")

ROOM = Room(cores=16, memory=64 * 1024, spark="4.3.0", python="3.11", javas=("17.0.1",))
SECRETS = {SecretName.RPC: SecretStr("rpc-secret-value"), SecretName.CONNECT_TOKEN: SecretStr("token-secret-value")}

# Listens on the node's ports as a daemon would, says so, and runs what a test adds until it is told to end.
NODE = """
import os, signal, socket, subprocess, sys, time
signal.signal(signal.SIGPWR, lambda *_: print("decommissioned", flush=True))
servers = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[1:]]
{extra}
print("listening", flush=True)
while True:
    signal.pause()
"""


@dataclasses.dataclass
class StandIns:
    """What each node runs, by name; a script of its own instead of the default when it is named here."""

    extra: dict[str, str] = dataclasses.field(default_factory=dict)
    argv: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    sites: dict[str, Site] = dataclasses.field(default_factory=dict)

    def define(self, plan: Plan, node: Node, site: Site, secrets: Mapping[SecretName, SecretStr]) -> ProcessDefinition:
        self.sites[node.name] = site
        script = NODE.format(extra=self.extra.get(node.name, ""))
        ports = tuple(str(number) for number in site.ports.values())
        argv = self.argv.get(node.name, (sys.executable, "-c", script, *ports))
        return dataclasses.replace(process(plan, node, site, secrets), argv=argv)


def make_plan(workers: int = 1, **spec: object) -> Plan:
    """Return a plan for a large machine whose ports are any free ones."""
    count = {} if spec.get("topology") == "single" else {"workers": workers}
    fitted = defaults.fit(ClusterSpec.model_validate({**count, **spec}), ROOM).spec
    plan = planning.build(fitted)
    groups = tuple(
        group.model_copy(update={"ports": tuple(port.model_copy(update={"preferred": 0}) for port in group.ports)})
        for group in plan.groups
    )
    return plan.model_copy(update={"groups": groups})


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 20) -> T:
    """Return the first true answer of `look`."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.02)


@pytest.fixture
def stand_ins() -> StandIns:
    return StandIns()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", grace=3.0, log_bytes=2000, log_files=2)


@pytest.fixture
async def backend(settings: Settings, stand_ins: StandIns) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(settings, f"test-{settings.home.parent.name}", define=stand_ins.define)
    yield backend
    for cluster_id in (await backend.observe()).remains:
        await backend.remove(cluster_id, purge=True)
    await backend.aclose()


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    return make_plan


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[object]]:
    return eventually


@pytest.fixture
def secrets() -> Mapping[SecretName, SecretStr]:
    return SECRETS
