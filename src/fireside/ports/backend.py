"""A backend: where nodes run, and what it sees of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from fireside.model.findings import Finding
from fireside.model.plan import Plan, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.model.state import EventKind, NodeState, Topology


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend does by itself, and what it can carry."""

    heals: bool
    """It replaces dead nodes without being asked; else the engine does."""
    chooses_victim: bool
    """It picks the node that a smaller count removes; else the highest ordinal goes."""
    isolates_users: bool
    topologies: frozenset[Topology]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a port answers, from here."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """One node as a backend sees it now."""

    cluster_id: str
    name: str
    incarnation: str
    """Differs for each start of the node."""
    state: NodeState
    digest: str = ""
    """The digest of the plan's group that it was started from."""
    reason: str | None = None
    """Why it is gone, in one sentence (`killed by signal 9`, `port 7077 taken by pid 812`)."""
    exit_code: int | None = None
    permanent: bool = False
    """Starting it again the same way cannot help."""
    draining: bool = False
    children: int | None = None
    """Executors that Spark started on it and that still run; None: not known."""
    addresses: Mapping[str, Address] = field(default_factory=dict)
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What there is of this installation, or of one cluster of it."""

    complete: bool
    """Nothing can have been missed. Only then may an absence be believed."""
    epoch: str
    """Changes when all nodes are lost at once (for processes: the boot of the machine)."""
    nodes: tuple[NodeObservation, ...] = ()
    remains: frozenset[str] = frozenset()
    """Ids of clusters of which anything at all is left that runs or that `remove` would take away."""

    def of(self, cluster_id: str) -> dict[str, NodeObservation]:
        """Return the nodes of one cluster by name."""
        return {node.name: node for node in self.nodes if node.cluster_id == cluster_id}


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a backend did or found and that the owner should be told as an event."""

    kind: EventKind
    message: str
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """Something may have changed in this cluster (None: anywhere). Correctness never depends on hints."""

    cluster_id: str | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a node, or an executor on it, wrote."""

    node: str
    source: str
    """`daemon`, or the executor it came from: `app-…/0 stderr`."""
    text: str


class Backend(Protocol):
    """Where nodes run. Knows neither users nor HTTP.

    Everything that it makes carries the installation's id, so that it can be found again without any record.
    """

    @property
    def name(self) -> str:
        """Return the word that stands for it in a spec: `local`, `docker`, `kubernetes`."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """Return what it does by itself."""
        ...

    async def survey(self, spec: ClusterSpec) -> Room:
        """Return where nodes of `spec` would run. Raises MissingPart or Unsupported when they cannot."""
        ...

    async def preflight(self, cluster_id: str, plan: Plan) -> Sequence[Finding]:
        """Return what would fail and why, before anything is made."""
        ...

    async def apply(
        self, cluster_id: str, generation: int, plan: Plan, hold: frozenset[str] = frozenset()
    ) -> Sequence[Note]:
        """Make it so: start the plan's missing nodes, replace those of another digest, remove all others.

        Nodes named in `hold` are left as they are, absent ones included. Returns when what had to be started is
        started (not: ready). Raises Conflict for a generation older than one applied before. Reads the secrets
        that `put_secrets` stored.
        """
        ...

    async def drain(self, cluster_id: str, nodes: Sequence[str]) -> None:
        """Ask these nodes to take no new work and to hand over what they hold; returns at once."""
        ...

    async def remove(self, cluster_id: str, *, purge: bool) -> Sequence[Note]:
        """End every node and confirm that they are gone; take away all that only a running cluster needs.

        With `purge` also data (warehouse, a workspace of its own, logs) and secrets. Waits for the end of nodes,
        bounded by the backend's own grace periods; raises Refused naming what would not go.
        """
        ...

    async def observe(self, cluster_id: str | None = None) -> Observation:
        """Return what there is, of one cluster or of all."""
        ...

    def watch(self) -> AsyncIterator[Hint]:
        """Yield hints until closed."""
        ...

    def logs(self, cluster_id: str, node: str | None, *, follow: bool, tail: int | None) -> AsyncIterator[LogLine]:
        """Yield log lines of one node (None: all), executors included; `tail` bounds what is past, per source."""
        ...

    async def dial(self, cluster_id: str, node: str, port: str) -> Address:
        """Return an address that works from here. Raises Unavailable when the node is not running."""
        ...

    async def put_secrets(self, cluster_id: str, secrets: Mapping[SecretName, SecretStr]) -> None:
        """Store the secrets of a cluster so that only this installation's owner can read them."""
        ...

    async def read_secrets(self, cluster_id: str) -> Mapping[SecretName, SecretStr]:
        """Return the secrets of a cluster; empty when none are stored."""
        ...

    async def workspace(self, cluster_id: str, plan: Plan) -> str:
        """Return the directory that every node and the driver share, as they see it."""
        ...

    async def driver_environment(self, cluster_id: str, plan: Plan) -> Mapping[str, str]:
        """Return what a program of the owner's own needs to be a driver where the nodes run: `JAVA_HOME`; no secrets.

        Empty where such a program brings its own.
        """
        ...

    async def data_of(self, cluster_id: str) -> Sequence[tuple[str, int]]:
        """Return what users made and `remove(purge=True)` would take away, logs left out: (path or name, bytes)."""
        ...
