"""Real Spark through the local backend: JVMs, executors, Python workers, and nothing of them left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from pydantic import SecretStr

from fireside.backends.local import LocalBackend, java, ports, processes
from fireside.connect.probe import Probe
from fireside.errors import FiresideError, NotAllowed
from fireside.model import defaults, planning
from fireside.model.plan import Plan, SecretName
from fireside.model.spec import ClusterSpec
from fireside.model.state import NodeState
from fireside.ports import MasterStatus, NodeObservation
from fireside.settings import Settings

pytestmark = pytest.mark.real

T = TypeVar("T")
INSTALLATION = "integration"
TOKEN = SecretStr("token-that-nobody-may-see")
SECRETS = {SecretName.RPC: SecretStr("rpc-secret-that-nobody-may-see"), SecretName.CONNECT_TOKEN: TOKEN}

# A function of a user that hangs, ignores every polite signal, and leaves a child in a session of its own.
HANGS = """
import sys
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.functions import udf
class Channel(DefaultChannelBuilder):
    token = property(lambda self: sys.stdin.readline().strip())
spark = SparkSession.builder.channelBuilder(Channel(f"sc://localhost:{sys.argv[1]}/")).create()
@udf("long")
def hang(x):
    import os, signal, subprocess, time
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    print("printed by a function", flush=True)
    with open(os.environ["SHARED_WORKSPACE"] + "/running", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
spark.range(1).select(hang("id")).collect()
"""


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 150) -> T:
    async with asyncio.timeout(seconds):
        while True:
            try:
                found = await look()
            except FiresideError:
                found = None
            if found:
                return found
            await asyncio.sleep(0.1)


class Cluster:
    """A cluster under test, with what it takes to look at it."""

    def __init__(self, backend: LocalBackend, home: Path) -> None:
        self.backend = backend
        self.root = home / "clusters" / "c1"
        self.probe = Probe()

    async def plan(self, **spec: object) -> Plan:
        asked = ClusterSpec.model_validate(spec)
        return planning.build(defaults.fit(asked, await self.backend.survey(asked)).spec)

    async def node(self, name: str) -> NodeObservation:
        return (await self.backend.observe("c1")).of("c1")[name]

    async def master(self) -> MasterStatus:
        return await self.probe.master(await self.backend.dial("c1", "master", "ui"))

    async def usable(self, workers: int) -> bool:
        await self.probe.handshake(await self.backend.dial("c1", "connect", "grpc"), TOKEN)
        alive = [worker for worker in (await self.master()).workers if worker.state == "ALIVE"]
        return len(alive) == workers

    def processes(self) -> list[processes.Process]:
        return processes.scan(INSTALLATION).labelled()

    def read(self, name: str) -> str:
        path = self.root / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mapping[str, str]:
    """An environment in which no Java can be found but that of pip."""
    monkeypatch.setattr(java, "_SYSTEM", {})
    return {"PATH": str(tmp_path / "empty"), "HOME": str(tmp_path)}


@pytest.fixture
async def cluster(tmp_path: Path, no_java: Mapping[str, str]) -> AsyncIterator[Cluster]:
    backend = LocalBackend(Settings(home=tmp_path / "home"), INSTALLATION, environment=no_java)
    await backend.put_secrets("c1", SECRETS)
    made = Cluster(backend, tmp_path / "home")
    yield made
    await backend.remove("c1", purge=True)
    await backend.aclose()
    await made.probe.aclose()


async def test_a_real_cluster_without_a_java_of_the_machine_runs_heals_and_leaves_nothing(cluster: Cluster) -> None:
    # STD-05, STD-06, STD-10, STD-17, HLT-02, SEC-03, SEC-04
    backend = cluster.backend
    plan = await cluster.plan(workers={"count": 1, "cores": 1})
    await backend.apply("c1", 1, plan, hold=frozenset({"worker-1", "connect"}))
    await eventually(cluster.master)
    await backend.apply("c1", 1, plan)
    await eventually(lambda: cluster.usable(1))
    nodes = (await backend.observe("c1")).of("c1")

    with pytest.raises(NotAllowed):
        await cluster.probe.handshake(await backend.dial("c1", "connect", "grpc"), SecretStr("wrong"))
    assert_only_loopback(cluster, promised={a.port for node in nodes.values() for a in node.addresses.values()})
    assert_no_secret_in_arguments()

    client = hanging_client(nodes["connect"].addresses["grpc"].port)
    try:
        hung = await eventually(lambda: running_function(cluster))
        await assert_killed_worker_heals(cluster, plan)
        await eventually(lambda: cluster.usable(1))
        everything = [process.id for process in cluster.processes()]
        await backend.remove("c1", purge=False)
    finally:
        client.kill()
        client.wait()

    assert await processes.wait_gone(everything, 0) == frozenset()
    assert [pid for pid in hung if psutil.pid_exists(pid)] == []
    assert all(ports.is_free(a.port) for node in nodes.values() for a in node.addresses.values())
    assert (await backend.observe()).remains == frozenset()
    told = {line.text async for line in backend.logs("c1", "worker-1", follow=False, tail=None)}
    assert "printed by a function" in told
    await backend.remove("c1", purge=True)
    assert not cluster.root.exists()


async def running_function(cluster: Cluster) -> list[int] | None:
    """Return the PIDs of the hung Python worker and of the child that left its session."""
    return [int(pid) for pid in cluster.read("data/workspace/running").split()] or None


def hanging_client(port: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SPARK_CONNECT_MODE_ENABLED": "1"}
    client = subprocess.Popen([sys.executable, "-c", HANGS, str(port)], stdin=subprocess.PIPE, env=environment)
    assert client.stdin is not None
    client.stdin.write((TOKEN.get_secret_value() + "\n").encode() * 20)
    client.stdin.close()
    return client


async def assert_killed_worker_heals(cluster: Cluster, plan: Plan) -> None:
    leader = next(p for p in cluster.processes() if p.leads and p.label and p.label.node == "worker-1")
    hints = cluster.backend.watch()
    hint = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0)
    assert processes.send(leader.id, signal.SIGKILL)
    async with asyncio.timeout(10):
        assert (await hint).cluster_id == "c1"
    await hints.aclose()  # type: ignore[attr-defined]
    gone = await cluster.node("worker-1")
    assert (gone.state, gone.reason, gone.exit_code) == (NodeState.GONE, "killed by signal 9", -9)
    await cluster.backend.apply("c1", 1, plan)
    assert (await cluster.node("worker-1")).addresses == gone.addresses


def assert_only_loopback(cluster: Cluster, promised: set[int]) -> None:
    ours = {process.id.pid for process in cluster.processes()}
    listening = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN and c.pid in ours]
    addresses: list[Any] = [c.laddr for c in listening]
    assert {address.ip for address in addresses} <= {"127.0.0.1", "::ffff:127.0.0.1"}
    numbers = {address.port for address in addresses}
    assert promised <= numbers
    assert 6066 not in numbers


def assert_no_secret_in_arguments() -> None:
    for process in psutil.process_iter():
        try:
            arguments = " ".join(process.cmdline())
        except psutil.Error:
            continue
        assert "nobody-may-see" not in arguments


async def test_a_port_that_was_taken_meanwhile_is_the_reason_and_is_replaced(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    # W-30
    plan = await cluster.plan(workers={"count": 1, "cores": 1})
    hold = frozenset({"worker-1", "connect"})
    thief = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    taken = thief.sockets[0].getsockname()[1]
    (master, *others) = plan.groups
    renumbered = tuple(
        port.model_copy(update={"preferred": taken if port.name == "rpc" else 0}) for port in master.ports
    )
    plan = plan.model_copy(update={"groups": (master.model_copy(update={"ports": renumbered}), *others)})
    with monkeypatch.context() as patch:
        patch.setattr(ports, "is_free", lambda number: True)  # as if it was taken just after the look
        await cluster.backend.apply("c1", 1, plan, hold)

    async def gone() -> NodeObservation | None:
        node = await cluster.node("master")
        return node if node.state is NodeState.GONE else None

    assert (await eventually(gone)).reason == f"port {taken} taken by {processes.describe(os.getpid())}"
    (note,) = await cluster.backend.apply("c1", 1, plan, hold)
    thief.close()
    await thief.wait_closed()
    assert note.message.startswith(f"port {taken} taken by pid {os.getpid()} ")
    assert (await eventually(cluster.master)).status in {"ALIVE", "STANDBY", "RECOVERING"}
