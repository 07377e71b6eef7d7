"""A backend in memory: nodes that exist as values on a fake machine, which outlives any engine.

It keeps the contract of :class:`fireside.ports.Backend` (:mod:`fireside.testing.backend_contract` checks it), and it
lets a test do to nodes what the world does: kill them, hide them, restart the machine. What a backend does wrong is
apart, in :class:`fireside.testing.faulty.FaultyBackend`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from pydantic import SecretStr

from fireside.errors import Conflict, NotFound, Unavailable
from fireside.model.findings import Finding
from fireside.model.plan import Node, Offer, Plan, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.model.state import EventKind, NodeState, Role, Topology
from fireside.ports import Address, Capabilities, Clock, Hint, LogLine, NodeObservation, Note, Observation

FIRST_PORT = 20000


@dataclass(slots=True)
class FakeNode:
    """A node on a fake machine."""

    installation: str
    cluster_id: str
    name: str
    role: Role
    digest: str
    incarnation: str
    addresses: dict[str, Address]
    ready_at: float
    """Seconds of the machine's clock from which it answers."""
    spark: str
    offer: Offer | None = None
    state: NodeState = NodeState.RUNNING
    reason: str | None = None
    permanent: bool = False
    draining: bool = False
    children: int | None = 0
    silent: bool = False
    """Runs, and answers nobody."""


@dataclass(slots=True)
class FakeMachine:
    """Where fake nodes run. Share one between backends to have several installations on one machine."""

    clock: Clock | None = None
    """What virtual delays are measured by; None: everything is ready at once."""
    epoch: str = "boot-1"
    clusters: dict[tuple[str, str], dict[str, FakeNode]] = field(default_factory=dict)
    """Nodes by installation and cluster, then by name."""
    secrets: dict[tuple[str, str], dict[SecretName, SecretStr]] = field(default_factory=dict)
    generations: dict[tuple[str, str], int] = field(default_factory=dict)
    data: dict[tuple[str, str], list[tuple[str, int]]] = field(default_factory=dict)
    log: dict[tuple[str, str], list[LogLine]] = field(default_factory=dict)
    ports: dict[Address, FakeNode] = field(default_factory=dict)
    """Who listens where."""
    numbers: count[int] = field(default_factory=count)
    hints: set[asyncio.Queue[Hint]] = field(default_factory=set)

    def seconds(self) -> float:
        """Return the machine's time."""
        return self.clock.monotonic() if self.clock else 0.0

    @property
    def nodes(self) -> list[FakeNode]:
        """Return every node of every cluster and installation, dead ones included."""
        return [node for nodes in self.clusters.values() for node in nodes.values()]

    def restart(self) -> None:
        """Lose every node at once, as a restart of a real machine does."""
        self.clusters.clear()
        self.ports.clear()
        self.epoch = f"boot-{next(self.numbers) + 2}"

    def of(self, cluster_id: str) -> dict[str, FakeNode]:
        """Return the nodes of a cluster by name, dead ones included."""
        return {
            name: node
            for (_, owner), nodes in self.clusters.items()
            if owner == cluster_id
            for name, node in nodes.items()
        }

    def put(self, node: FakeNode) -> None:
        """Start a node, in the place of one with its name."""
        self.take(node.installation, node.cluster_id, node.name)
        self.clusters.setdefault((node.installation, node.cluster_id), {})[node.name] = node
        self.ports.update(dict.fromkeys(node.addresses.values(), node))

    def take(self, installation: str, cluster_id: str, name: str) -> None:
        """End a node without a trace, if there is one."""
        nodes = self.clusters.get((installation, cluster_id), {})
        node = nodes.pop(name, None)
        if node is not None:
            for address in node.addresses.values():
                self.ports.pop(address, None)
        if not nodes:
            self.clusters.pop((installation, cluster_id), None)

    def running(self, cluster_id: str) -> list[str]:
        """Return the names of a cluster's nodes that run."""
        return sorted(node.name for node in self.of(cluster_id).values() if node.state is not NodeState.GONE)

    def hint(self, cluster_id: str | None) -> None:
        """Wake whoever watches."""
        for queue in self.hints:
            queue.put_nowait(Hint(cluster_id))


class FakeBackend:
    """Runs nodes on a `FakeMachine` under one installation's id."""

    def __init__(
        self,
        machine: FakeMachine | None = None,
        *,
        installation: str = "fake",
        name: str = "local",
        ready_after: float = 0.0,
        gap: float = 0.0,
        hints: bool = True,
    ) -> None:
        self.machine = machine or FakeMachine()
        self.installation = installation
        self.ready_after = ready_after
        """Seconds of the machine's clock until a started node answers."""
        self.gap = gap
        """Seconds between the end of a node that is replaced and the start of its successor."""
        self.hints = hints
        """Whether it says at once when something happens to a node; else only `observe` tells."""
        self.complete = True
        """Set it to False: a part of what there is cannot be seen."""
        self.hidden: set[str] = set()
        """Clusters whose nodes do not show in observations. Meant for use with `complete = False`."""
        self.room = Room(cores=1000, memory=4 * 1024 * 1024, spark="4.3.0", python="3.11", javas=("17.0.12",))
        self.findings: list[Finding] = []
        """What every preflight finds."""
        self.drained = True
        """Whether a worker that is drained is empty at once; else set `children` of the node yourself."""
        self._name = name

    # ------------------------------------------------------------------------------------ doing harm

    def kill(self, cluster_id: str, node: str, reason: str = "killed by signal 9", *, permanent: bool = False) -> None:
        """End a node, as `kill -9` would."""
        found = self.node(cluster_id, node)
        found.state, found.reason, found.permanent = NodeState.GONE, reason, permanent
        self._hint(cluster_id)

    def lose(self, cluster_id: str, node: str) -> None:
        """Make a node vanish without a trace."""
        self.machine.take(self.installation, cluster_id, node)
        self._hint(cluster_id)

    def node(self, cluster_id: str, node: str) -> FakeNode:
        """Return a node to look at or to change. Raises NotFound."""
        found = self._nodes(cluster_id).get(node)
        if found is None:
            raise NotFound(f"no node {node} of cluster {cluster_id} on this machine")
        return found

    # ---------------------------------------------------------------------------------- the contract

    @property
    def name(self) -> str:
        """Return the word that stands for it in a spec."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Return that it leaves healing and choosing to the engine."""
        return Capabilities(heals=False, chooses_victim=False, isolates_users=True, topologies=frozenset(Topology))

    async def survey(self, spec: ClusterSpec) -> Room:  # noqa: ARG002 - the same room for all
        """Return `room`."""
        return self.room

    async def preflight(self, cluster_id: str, plan: Plan) -> Sequence[Finding]:  # noqa: ARG002 - the same for all
        """Return `findings`."""
        return list(self.findings)

    async def apply(
        self, cluster_id: str, generation: int, plan: Plan, hold: frozenset[str] = frozenset()
    ) -> Sequence[Note]:
        """Make it so, node by node, giving way to others between two nodes."""
        key = (self.installation, cluster_id)
        newest = self.machine.generations.get(key, 0)
        if generation < newest:
            raise Conflict(
                f"generation {generation} of cluster {cluster_id} is older than {newest}, which was applied before",
                field="generation",
                found=str(generation),
                allowed=str(newest),
            )
        self.machine.generations[key] = generation
        wanted = {node.name: node for node in plan.nodes()}
        notes: list[Note] = []
        for name in [name for name in self._nodes(cluster_id) if name not in wanted and name not in hold]:
            self.machine.take(*key, name)
            notes.append(Note(EventKind.NOTE, f"{name} was taken away", name))
            await asyncio.sleep(0)
        for node in [node for name, node in wanted.items() if name not in hold]:
            await self._start(cluster_id, node, plan)
        self._hint(cluster_id)
        return notes

    async def drain(self, cluster_id: str, nodes: Sequence[str]) -> None:
        """Mark the nodes; they are empty at once unless `drained` is off."""
        for name in nodes:
            found = self._nodes(cluster_id).get(name)
            if found is not None:
                found.draining = True
                found.children = 0 if self.drained else found.children
        self._hint(cluster_id)

    async def remove(self, cluster_id: str, *, purge: bool) -> Sequence[Note]:
        """End every node."""
        key = (self.installation, cluster_id)
        for name in list(self._nodes(cluster_id)):
            self.machine.take(*key, name)
            await asyncio.sleep(0)
        self.machine.generations.pop(key, None)
        if purge:
            self.machine.secrets.pop(key, None)
            self.machine.data.pop(key, None)
            self.machine.log.pop(key, None)
        self._hint(cluster_id)
        return []

    async def observe(self, cluster_id: str | None = None) -> Observation:
        """Return what there is, of one cluster or of all."""
        await asyncio.sleep(0)
        keys = list(self.machine.clusters) if cluster_id is None else [(self.installation, cluster_id)]
        nodes = tuple(
            _observed(node)
            for installation, owner in keys
            if installation == self.installation and owner not in self.hidden
            for node in self._nodes(owner).values()
        )
        remains = frozenset(node.cluster_id for node in nodes)
        return Observation(complete=self.complete, epoch=self.machine.epoch, nodes=nodes, remains=remains)

    async def watch(self) -> AsyncIterator[Hint]:
        """Yield a hint for whatever happens."""
        queue: asyncio.Queue[Hint] = asyncio.Queue()
        self.machine.hints.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.machine.hints.discard(queue)

    async def logs(
        self,
        cluster_id: str,
        node: str | None,
        *,
        follow: bool,  # noqa: ARG002 - nodes in memory write only when they start
        tail: int | None,
    ) -> AsyncIterator[LogLine]:
        """Yield a line for each start."""
        lines = self.machine.log.get((self.installation, cluster_id), [])
        chosen = [line for line in lines if node in {None, line.node}]
        for line in chosen if tail is None else chosen[len(chosen) - min(tail, len(chosen)) :]:
            yield line

    async def dial(self, cluster_id: str, node: str, port: str) -> Address:
        """Return the address of a node's port. Raises Unavailable when the node is not running."""
        found = self._nodes(cluster_id).get(node)
        if found is None or found.state is NodeState.GONE or port not in found.addresses:
            raise Unavailable(f"{node} is not running, so its port {port} does not answer")
        return found.addresses[port]

    async def put_secrets(self, cluster_id: str, secrets: Mapping[SecretName, SecretStr]) -> None:
        """Store the secrets of a cluster."""
        self.machine.secrets[self.installation, cluster_id] = dict(secrets)

    async def read_secrets(self, cluster_id: str) -> Mapping[SecretName, SecretStr]:
        """Return the secrets of a cluster; empty when none are stored."""
        return dict(self.machine.secrets.get((self.installation, cluster_id), {}))

    async def workspace(self, cluster_id: str, plan: Plan) -> str:
        """Return the plan's workspace, or a name for the cluster's own."""
        return plan.workspace or f"/fake/{cluster_id}/workspace"

    async def driver_environment(self, cluster_id: str, plan: Plan) -> Mapping[str, str]:  # noqa: ARG002 - no node is asked
        """Return nothing: no driver could use a fake."""
        return {}

    async def data_of(self, cluster_id: str) -> Sequence[tuple[str, int]]:
        """Return what a test put into `machine.data`."""
        return list(self.machine.data.get((self.installation, cluster_id), []))

    # ---------------------------------------------------------------------------------------- inside

    def _nodes(self, cluster_id: str) -> dict[str, FakeNode]:
        return self.machine.clusters.get((self.installation, cluster_id), {})

    def _hint(self, cluster_id: str) -> None:
        if self.hints:
            self.machine.hint(cluster_id)

    async def _start(self, cluster_id: str, node: Node, plan: Plan) -> None:
        """Start a node unless it runs as the plan wants it."""
        digest = plan.digest(node.role)
        old = self._nodes(cluster_id).get(node.name)
        # A draining node takes no work any more: only another incarnation does.
        if old is not None and old.state is not NodeState.GONE and old.digest == digest and not old.draining:
            return
        if old is not None and self.gap and self.machine.clock:
            self.machine.take(self.installation, cluster_id, node.name)
            await self.machine.clock.sleep(self.gap)
        await asyncio.sleep(0)
        group = plan.group(node.role)
        number = next(self.machine.numbers)
        ports = group.ports if group else ()
        first = FIRST_PORT + number * 4
        started = FakeNode(
            installation=self.installation,
            cluster_id=cluster_id,
            name=node.name,
            role=node.role,
            digest=digest,
            incarnation=f"{node.name}#{number}",
            addresses={port.name: Address("127.0.0.1", first + at) for at, port in enumerate(ports)},
            ready_at=self.machine.seconds() + self.ready_after,
            spark=plan.spark,
            offer=group.offer if group else None,
        )
        self.machine.put(started)
        line = LogLine(node.name, "daemon", f"{node.name} starts")
        self.machine.log.setdefault((self.installation, cluster_id), []).append(line)


def _observed(node: FakeNode) -> NodeObservation:
    return NodeObservation(
        cluster_id=node.cluster_id,
        name=node.name,
        incarnation=node.incarnation,
        state=node.state,
        digest=node.digest,
        reason=node.reason,
        permanent=node.permanent,
        draining=node.draining,
        children=node.children,
        addresses=node.addresses,
        started_at=_STARTED,
    )


_STARTED = datetime(2026, 1, 1, tzinfo=UTC)
