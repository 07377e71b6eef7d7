"""The contract of a backend, kept with processes of this machine.

What each method promises stands in `fireside.ports.Backend`. Here one lock a cluster keeps its changes one after
the other, while looking never waits for changing; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from pydantic import SecretStr

from fireside.backends.local import checks, files, logs, processes, records
from fireside.backends.local.ending import Ender
from fireside.backends.local.layout import ClusterFiles, Layout
from fireside.backends.local.picture import Cluster, Painter
from fireside.backends.local.places import Place, Places, workspace_of
from fireside.backends.local.ports import HOST, PortTables, Table
from fireside.backends.local.processes import Processes, ProcessId
from fireside.backends.local.records import NodeRecord
from fireside.backends.local.starting import Define, Launch, environment_of, start
from fireside.backends.local.watching import Watcher
from fireside.errors import FiresideError, Unavailable
from fireside.model import spark
from fireside.model.findings import Finding, Severity
from fireside.model.plan import Node, Plan, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.model.state import EventKind, Role, Topology
from fireside.ports import Address, Capabilities, Hint, LogLine, Note, Observation
from fireside.render.process import Site, process
from fireside.settings import Settings

_CAPABILITIES = Capabilities(
    heals=False,
    chooses_victim=False,
    isolates_users=False,  # every node runs as the one system user who runs the server
    topologies=frozenset({Topology.STANDALONE, Topology.SINGLE}),
)
P = ParamSpec("P")
T = TypeVar("T")

_MASTER = Role.MASTER.value


@dataclass(slots=True)
class _Change:
    """An apply on its way: what is wanted, what runs, and what the owner will be told."""

    cluster_id: str
    files: ClusterFiles
    plan: Plan
    hold: frozenset[str]
    running: dict[str, NodeRecord]
    notes: list[Note] = field(default_factory=list)

    def to_start(self) -> list[Node]:
        """Return the nodes that have to be started, in the plan's order."""
        return [node for node in self.plan.nodes() if node.name not in self.running and node.name not in self.hold]


class LocalBackend:
    """Runs nodes as processes of this machine. Keeps the contract `fireside.ports.Backend`.

    Everything lies under `settings.home`; every process carries `installation` in its environment. Close with
    `aclose`: nodes live on.
    """

    def __init__(
        self,
        settings: Settings,
        installation: str,
        *,
        environment: Mapping[str, str] | None = None,
        define: Define = process,
    ) -> None:
        self._settings = settings
        self._installation = installation
        self._environment = os.environ if environment is None else environment
        self._define = define
        self._layout = Layout(settings.home)
        self._places = Places(self._layout, self._environment)
        self._ports = PortTables(self._layout)
        self._watcher = Watcher()
        self._ender = Ender(installation, settings.grace)
        self._painter = Painter(self._watcher, processes.boot_id())
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._starting: set[tuple[str, str]] = set()
        self._rotating = threading.Lock()

    @property
    def name(self) -> str:
        """Return `local`."""
        return "local"

    @property
    def capabilities(self) -> Capabilities:
        """Return what it does by itself: nothing."""
        return _CAPABILITIES

    async def aclose(self) -> None:
        """Stop watching. Nodes live on."""
        self._watcher.close()

    # ------------------------------------------------------------------------------------------- before

    async def survey(self, spec: ClusterSpec) -> Room:
        """Return this machine. Raises MissingPart or Unsupported when nodes of `spec` cannot run on it."""
        return await self._places.survey(spec)

    async def preflight(self, cluster_id: str, plan: Plan) -> Sequence[Finding]:  # noqa: ARG002 - ports give way, whose they are
        """Return what would fail and why, before anything is made."""
        try:
            runtime = await self._places.runtime(plan)
        except FiresideError as error:
            return [Finding(Severity.ERROR, error.message, error.field, error.found, error.allowed, error.hint)]
        return await asyncio.to_thread(checks.findings, self._layout.home, plan, runtime)

    async def workspace(self, cluster_id: str, plan: Plan) -> str:
        """Return the path under which every node and the driver find the shared directory."""
        return str(workspace_of(plan, self._layout.cluster(cluster_id)))

    async def driver_environment(self, cluster_id: str, plan: Plan) -> Mapping[str, str]:
        """Return the Java of the nodes, for this machine may have no other, and the Python of functions on them."""
        place = await self._places.place(plan, self._layout.cluster(cluster_id))
        return {"JAVA_HOME": str(place.java_home), "PYSPARK_PYTHON": str(place.python)}

    # ------------------------------------------------------------------------------------------ changing

    async def apply(
        self, cluster_id: str, generation: int, plan: Plan, hold: frozenset[str] = frozenset()
    ) -> Sequence[Note]:
        """Make it so. Raises Conflict for an older generation, Refused, MissingPart or Unsupported."""
        async with self._lock(cluster_id):
            cluster = self._layout.cluster(cluster_id)
            await _to_its_end(records.accept_generation, cluster, generation)
            recorded, table = await self._look(cluster)
            running = {
                name: record for name, record in recorded.items() if record.process and table.has(record.process)
            }
            change = _Change(cluster_id, cluster, plan, hold, running)
            await self._end_outdated(change, recorded, table)
            if change.to_start():
                await self._start_missing(change)
            await asyncio.to_thread(self._rotate, cluster)
            return change.notes

    async def drain(self, cluster_id: str, nodes: Sequence[str]) -> None:
        """Tell these workers to hand over what they hold; other nodes hold nothing."""
        async with self._lock(cluster_id):
            cluster = self._layout.cluster(cluster_id)
            recorded = await asyncio.to_thread(records.read, cluster)
            for name in nodes:
                record = recorded.get(name)
                if record is None or record.process is None or record.draining:
                    continue
                await _to_its_end(records.write, cluster, name, record.model_copy(update={"draining": True}))
                if record.role is Role.WORKER and hasattr(signal, "SIGPWR"):  # elsewhere it just ends
                    processes.send(record.process, signal.SIGPWR)

    async def remove(self, cluster_id: str, *, purge: bool) -> Sequence[Note]:
        """End every node and confirm that they are gone. Raises Refused naming what would not go."""
        async with self._lock(cluster_id):
            cluster = self._layout.cluster(cluster_id)
            recorded, table = await self._look(cluster)
            names = {process.label.node for process in table.labelled(cluster_id) if process.label}
            await self._end(cluster_id, cluster, {*names, *recorded, *cluster.node_names()}, recorded)
            for path in (cluster.root,) if purge else cluster.passing:
                await _to_its_end(files.remove_tree, path)
            return ()

    async def put_secrets(self, cluster_id: str, secrets: Mapping[SecretName, SecretStr]) -> None:
        """Store the secrets, one 0600 file each."""
        directory = self._layout.cluster(cluster_id).secrets
        for name, secret in secrets.items():
            await _to_its_end(files.write, directory / name.value, secret.get_secret_value())

    async def read_secrets(self, cluster_id: str) -> Mapping[SecretName, SecretStr]:
        """Return the secrets; empty when none are stored."""
        directory = self._layout.cluster(cluster_id).secrets
        texts = {name: await asyncio.to_thread(files.read, directory / name.value) for name in SecretName}
        return {name: SecretStr(text) for name, text in texts.items() if text is not None}

    # ------------------------------------------------------------------------------------------- looking

    async def observe(self, cluster_id: str | None = None) -> Observation:
        """Return what there is. Complete: labels are found without any record."""
        observation, living = await asyncio.to_thread(self._observe, cluster_id)
        for leader, owner in living.items():
            self._watcher.follow(leader, owner)
        return observation

    def watch(self) -> AsyncIterator[Hint]:
        """Yield a hint when a node ends."""
        return self._watcher.hints()

    def logs(self, cluster_id: str, node: str | None, *, follow: bool, tail: int | None) -> AsyncIterator[LogLine]:
        """Yield log lines, of nodes that are gone as well."""
        return logs.read(self._layout.cluster(cluster_id), node, follow=follow, tail=tail)

    async def dial(self, cluster_id: str, node: str, port: str) -> Address:
        """Return the address. Raises Unavailable when the node is not running or has no such port."""
        cluster = self._layout.cluster(cluster_id)
        record = (await asyncio.to_thread(records.read, cluster)).get(node)
        leader = record.process if record else None
        if record is None or leader is None or processes.identify(leader.pid) != leader:
            raise Unavailable(f"{node} is not running")
        if port not in record.ports:
            raise Unavailable(f"{node} has no port {port!r}; it has {', '.join(record.ports) or 'none'}")
        return Address(record.host, record.ports[port])

    async def data_of(self, cluster_id: str) -> Sequence[tuple[str, int]]:
        """Return what users made, which only a purge takes away, and its bytes; empty directories are left out."""
        cluster = self._layout.cluster(cluster_id)
        kept = (cluster.warehouse, cluster.metastore, cluster.workspace)
        sizes = [(str(path), await asyncio.to_thread(files.size_of, path)) for path in kept]
        return [(path, size) for path, size in sizes if size]

    def _observe(self, cluster_id: str | None) -> tuple[Observation, dict[ProcessId, str]]:
        ids = self._layout.cluster_ids() if cluster_id is None else [cluster_id]
        # In this order: what a record names lives in the table, is being started, or is gone.
        found = {each: records.read(self._layout.cluster(each)) for each in ids}
        starting = frozenset(self._starting)
        table = processes.scan(self._installation)
        recorded = {each: records.complete(nodes, each, table) for each, nodes in found.items()}
        labelled = {process.label.cluster for process in table.labelled(cluster_id) if process.label}
        observed = []
        for each in sorted({*ids, *labelled}):
            cluster = self._layout.cluster(each)
            names = {name for owner, name in starting if owner == each}
            observed += self._painter.paint(Cluster(each, cluster, recorded.get(each, {}), names), table)
            self._rotate(cluster)
        left = {each for each in ids if any(path.exists() for path in self._layout.cluster(each).passing)}
        living = {
            record.process: owner
            for owner, nodes in recorded.items()
            for record in nodes.values()
            if record.process and table.has(record.process)
        }
        observation = Observation(
            complete=True, epoch=processes.boot_id(), nodes=tuple(observed), remains=frozenset(labelled | left)
        )
        return observation, living

    async def _look(self, cluster: ClusterFiles) -> tuple[dict[str, NodeRecord], Processes]:
        found = await asyncio.to_thread(records.read, cluster)
        table = await asyncio.to_thread(processes.scan, self._installation)
        return records.complete(found, cluster.root.name, table), table

    def _rotate(self, cluster: ClusterFiles) -> None:
        if not cluster.nodes.is_dir():
            return
        # Looks overlap, in threads: of two that rotate one log, the second would copy what the first is emptying.
        with self._rotating:
            logs.rotate(cluster, size=self._settings.log_bytes, keep=self._settings.log_files)

    # -------------------------------------------------------------------------------------- steps of apply

    async def _end_outdated(self, change: _Change, recorded: Mapping[str, NodeRecord], table: Processes) -> None:
        """End surplus nodes, those of another digest, and what dead nodes left behind."""
        planned = {node.name: node for node in change.plan.nodes()}
        labelled = {process.label.node for process in table.labelled(change.cluster_id) if process.label}
        there = {*recorded, *labelled, *change.files.node_names()} - change.hold
        surplus = there - planned.keys()
        kept = {
            name
            for name in (there & planned.keys() & change.running.keys())
            if change.running[name].digest == change.plan.digest(planned[name].role)
        }
        await self._end(change.cluster_id, change.files, there - kept, recorded)
        change.running = {name: record for name, record in change.running.items() if name in kept | change.hold}
        for name in surplus:
            await _to_its_end(files.remove_tree, change.files.node(name).root)

    async def _start_missing(self, change: _Change) -> None:
        place = await self._places.place(change.plan, change.files)
        await asyncio.to_thread(files.make_directory, change.files.nodes)
        table = await self._allocate(change)
        await self._end_misled(change, table)
        secrets = await self.read_secrets(change.cluster_id)
        for node in change.to_start():
            change.running[node.name] = await self._start(change, node, place, table, secrets)

    async def _allocate(self, change: _Change) -> Table:
        wanted = {
            node.name: group.ports
            for node in change.plan.nodes()
            if (group := change.plan.group(node.role)) is not None
        }
        names = [node.name for node in change.to_start()]
        table, replaced = await _to_its_end(self._ports.allocate, change.cluster_id, wanted, names)
        change.notes += [Note(EventKind.PORT_REPLACED, str(each), each.node) for each in replaced]
        return table

    async def _end_misled(self, change: _Change, table: Table) -> None:
        """End running nodes that were told another address of the master than it has now."""
        address = _master_address(table)
        misled = {
            name: record
            for name, record in change.running.items()
            if record.master not in {None, address} and name not in change.hold
        }
        await self._end(change.cluster_id, change.files, misled, misled)
        for name in misled:
            del change.running[name]
            change.notes.append(Note(EventKind.NOTE, f"{name} restarts: the master's address is {address} now", name))

    async def _start(
        self, change: _Change, node: Node, place: Place, table: Table, secrets: Mapping[SecretName, SecretStr]
    ) -> NodeRecord:
        record = NodeRecord(
            role=node.role,
            incarnation=uuid.uuid4().hex,
            digest=change.plan.digest(node.role),
            host=HOST,
            ports=dict(table[node.name]),
            master=None if node.role is Role.MASTER else _master_address(table),
            started_at=datetime.now(UTC),
        )
        site = self._site(change, node, place, table, record)
        define = partial(self._define, change.plan, node, site, secrets)
        launch = Launch(change.files, node.name, record, define)
        key = (change.cluster_id, node.name)
        self._starting.add(key)
        try:
            started = await _to_its_end(start, launch, self._watcher)
        finally:
            self._starting.discard(key)
        if started.process is not None:
            self._watcher.follow(started.process, change.cluster_id)
        return started

    def _site(self, change: _Change, node: Node, place: Place, table: Table, record: NodeRecord) -> Site:
        cluster = change.files
        return Site(
            java_home=str(place.java_home),
            java_major=place.java_major,
            spark_home=str(place.spark_home),
            python=str(place.python),
            node_dir=str(cluster.node(node.name).root),
            data_dir=str(cluster.data),
            recovery_dir=str(cluster.recovery),
            workspace=str(place.workspace),
            host=HOST,
            ports=table[node.name],
            peers={
                (name, port): Address(HOST, number) for name, ports in table.items() for port, number in ports.items()
            },
            environment=environment_of(
                self._environment, self._installation, change.cluster_id, node.name, record.incarnation
            ),
        )

    async def _end(
        self, cluster_id: str, cluster: ClusterFiles, names: Collection[str], recorded: Mapping[str, NodeRecord]
    ) -> None:
        """End nodes and keep what their executors wrote; nothing happens for nodes of which nothing runs."""
        if not names:
            return
        leaders = {name: recorded[name].process if name in recorded else None for name in names}
        await self._ender.end(cluster_id, leaders)
        for name in names:
            await _to_its_end(logs.keep_executor_logs, cluster.node(name))
            if name in recorded:
                self._painter.forget(recorded[name].incarnation)
            leader = leaders[name]
            if leader is not None:
                self._watcher.forget(leader)

    def _lock(self, cluster_id: str) -> asyncio.Lock:
        return self._locks.setdefault(cluster_id, asyncio.Lock())


async def _to_its_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what changes something in a thread; when cancelled, wait for its end before giving the lock back.

    A thread cannot be stopped: else a start that was given up would go on beside the next one of the same node.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # looked at, so that asyncio does not report it as overlooked
        raise


def _master_address(table: Table) -> str | None:
    return str(Address(HOST, table[_MASTER][spark.RPC])) if spark.RPC in table.get(_MASTER, {}) else None
