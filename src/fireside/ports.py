"""What the engine needs from outside, as protocols: a backend, a store, a clock, a probe.

Adapters live in ``backends``, ``stores`` and ``connect``; fakes and the contract checks that both have to pass
live in ``testing``. Every method is idempotent unless it says otherwise. Time limits belong to the caller: none of
these methods waits for a state to be reached.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pydantic import SecretStr

from fireside.model.findings import Finding
from fireside.model.plan import Plan, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.model.state import ClusterStatus, Desired, EventKind, Frozen, NodeState, Topology

# ---------------------------------------------------------------------------------------------- backend


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


# ------------------------------------------------------------------------------------------------ store


class ClusterRecord(Frozen):
    """A cluster as the store has it.

    `spec`, `plan`, `desired` and `generation` are what the owner wants and change by compare-and-set on the
    generation; `status` is what the engine saw and is written by the engine alone.
    """

    id: str
    owner: str
    name: str
    backend: str
    generation: int = 1
    spec: ClusterSpec
    """Every default filled in."""
    asked: dict[str, Any]
    """The fields that the owner set, as they wrote them."""
    plan: Plan
    desired: Desired
    purge: bool = False
    """With `desired` deleted: whether data go, too."""
    status: ClusterStatus
    created_at: datetime
    changed_at: datetime


class Event(Frozen):
    """Something that happened to a cluster. `seq` counts from 1 within the cluster."""

    seq: int
    at: datetime
    kind: EventKind
    message: str
    node: str | None = None


class StepKind(StrEnum):
    """What the engine does to a cluster; recorded before it is done."""

    SECRETS = "secrets"
    APPLY = "apply"
    DRAIN = "drain"
    REMOVE = "remove"
    FORGET = "forget"


class Step(Frozen):
    """An action of the engine: open from before it is taken until its end is known."""

    id: int
    cluster_id: str
    generation: int
    kind: StepKind
    subject: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """One Fireside with one store."""

    id: str
    sweep_held: str | None
    """Why nothing may be swept (a new or restored store), or None."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act under `name` until `expires_at`; `token` grows with each new holder."""

    name: str
    holder: str
    token: int
    expires_at: datetime


class Store(Protocol):
    """Where records survive. Each method is one transaction, durable when it returns."""

    async def installation(self) -> Installation:
        """Return the identity of this installation, made at first use."""
        ...

    async def release_sweep(self) -> None:
        """Allow sweeping again after it was held."""
        ...

    async def create(self, record: ClusterRecord, *, idempotency_key: str | None = None) -> tuple[ClusterRecord, bool]:
        """Insert a cluster; return it and True, or the one that has this owner and name already and False.

        A key is remembered for a day. Used again for another name, or after its cluster was forgotten, it raises
        Conflict: a late repetition never brings a deleted cluster back.
        """
        ...

    async def get(self, cluster_id: str) -> ClusterRecord:
        """Return a cluster. Raises NotFound."""
        ...

    async def find(self, owner: str, name: str) -> ClusterRecord | None:
        """Return the cluster with this alias, or None."""
        ...

    async def list_clusters(self, owner: str | None = None) -> Sequence[ClusterRecord]:
        """Return clusters by name; of every owner when None."""
        ...

    async def replace(self, record: ClusterRecord, *, expected_generation: int) -> ClusterRecord:
        """Store what the owner wants now, as generation `expected_generation + 1`; the status is left alone.

        Raises Conflict when the generation is another by now, NotFound when the cluster is gone.
        """
        ...

    async def set_status(self, cluster_id: str, status: ClusterStatus, *, fence: Lease | None = None) -> None:
        """Store what the engine saw. Raises NotFound, and Conflict when the lease `fence` has a newer holder."""
        ...

    async def forget(self, cluster_id: str) -> None:
        """Delete a cluster's record, steps and events. No error when it is gone already."""
        ...

    async def add_events(
        self, cluster_id: str, events: Sequence[tuple[datetime, EventKind, str | None, str]]
    ) -> Sequence[Event]:
        """Append (at, kind, node, message) in one sequence per cluster. Raises NotFound when it is gone."""
        ...

    async def events(self, cluster_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Return events with `seq` above `after`, oldest first."""
        ...

    async def begin_step(self, cluster_id: str, generation: int, kind: StepKind, subject: str, at: datetime) -> Step:
        """Record a step that is about to be taken. Raises NotFound when the cluster is gone."""
        ...

    async def end_step(self, step_id: int, at: datetime, outcome: str) -> None:
        """Record how a step ended. The first end counts; no error when the step was forgotten meanwhile."""
        ...

    async def open_steps(self, cluster_id: str) -> Sequence[Step]:
        """Return the steps whose end is not recorded."""
        ...

    async def acquire(self, name: str, holder: str, now: datetime, seconds: float) -> Lease | None:
        """Take or renew a lease; None while somebody else holds it. One that ran out is taken anew, not renewed."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give a lease back; no error when it is lost already."""
        ...

    async def check(self) -> None:
        """Raise Unavailable or Refused, naming the cause, when records cannot be written."""
        ...

    async def close(self) -> None:
        """Release connections and files."""
        ...


# ----------------------------------------------------------------------------------- clock and probe


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC. It may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class MasterWorker:
    """A worker as the master lists it. Memory in MiB."""

    host: str
    port: int
    state: str
    cores: int
    memory: int


@dataclass(frozen=True, slots=True)
class MasterStatus:
    """What a master's JSON page says."""

    status: str
    workers: tuple[MasterWorker, ...]


class NodeProbe(Protocol):
    """Ask nodes how they are. Each call makes one attempt."""

    async def master(self, ui: Address) -> MasterStatus:
        """Read a master's JSON page. Raises Unavailable."""
        ...

    async def handshake(self, address: Address, token: SecretStr | None) -> str:
        """Ask a Connect server for its Spark version; leaves no session behind. Raises Unavailable or NotAllowed."""
        ...
