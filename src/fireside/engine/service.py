"""The use cases: what an owner can ask of the engine. Each returns when the wish is durable, not when it is fulfilled.

`ref` is a cluster's name (of this owner) or its id. A cluster of another owner is NotFound.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from fireside.model.findings import Finding
from fireside.model.plan import Plan
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.ports import Address, Backend, Clock, ClusterRecord, Event, LogLine, NodeProbe, Store

Mode = Literal["refuse", "merge", "replace"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a wish would mean, before anything is made."""

    spec: ClusterSpec
    plan: Plan
    room: Room
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    current: ClusterRecord | None
    action: Literal["create", "start", "change", "nothing"]
    live: tuple[str, ...]
    restarts: tuple[str, ...]
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a running cluster, secrets included."""

    record: ClusterRecord
    connect: Address | None
    master: Address | None
    token: SecretStr | None
    rpc_secret: SecretStr | None
    workspace: str
    conf: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Whether the engine and what it depends on work."""

    dependencies: Mapping[str, str]
    sweep_held: str | None
    orphans: tuple[str, ...]


class Engine:
    """Moves clusters towards what their owners want.

    `run()` is the supervisor; the other methods may be called while it runs.
    """

    def __init__(
        self, *, store: Store, backends: Mapping[str, Backend], probe: NodeProbe, clock: Clock, holder: str
    ) -> None:
        self._store = store
        self._backends = backends
        self._probe = probe
        self._clock = clock
        self._holder = holder

    async def run(self) -> None:
        """Supervise until cancelled."""
        raise NotImplementedError

    async def propose(self, owner: str, asked: Mapping[str, Any], *, mode: Mode = "replace") -> Proposal:
        """Return what `asked` would mean. Raises InvalidSpec, DoesNotFit, Unsupported."""
        raise NotImplementedError

    async def create(
        self,
        owner: str,
        asked: Mapping[str, Any],
        *,
        mode: Mode = "refuse",
        start: bool = True,
        expected_generation: int | None = None,
    ) -> tuple[ClusterRecord, bool]:
        """Create a cluster, or change or start the one of that name; return it and whether it is new.

        The same spec again changes nothing. An empty spec for an existing name means "as it is". Raises Conflict
        when it exists with another spec and `mode` is refuse, or when the generation is not the expected one.
        """
        raise NotImplementedError

    async def get(self, owner: str, ref: str) -> ClusterRecord:
        """Return a cluster. Raises NotFound."""
        raise NotImplementedError

    async def list_clusters(self, owner: str) -> Sequence[ClusterRecord]:
        """Return the owner's clusters by name."""
        raise NotImplementedError

    async def scale(self, owner: str, ref: str, workers: int) -> ClusterRecord:
        """Change the number of workers. Raises NotFound, DoesNotFit, Unsupported, Conflict (being deleted)."""
        raise NotImplementedError

    async def restart(self, owner: str, ref: str, roles: Sequence[str]) -> ClusterRecord:
        """Restart the nodes of these roles (all when empty), and clear a failure."""
        raise NotImplementedError

    async def stop(self, owner: str, ref: str) -> ClusterRecord:
        """End every node; keep data, events and logs. Nothing happens when it is stopped already."""
        raise NotImplementedError

    async def delete(self, owner: str, ref: str, *, purge: bool) -> ClusterRecord:
        """End every node and forget the cluster; with `purge` its data, too, else Conflict when there are any."""
        raise NotImplementedError

    async def data_of(self, owner: str, ref: str) -> Sequence[tuple[str, int]]:
        """Return what a delete with `purge` would take away: (path, bytes)."""
        raise NotImplementedError

    def events(self, owner: str, ref: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Event]:
        """Yield events with `seq` above `after`; with `follow` also those to come, until the cluster is forgotten."""
        raise NotImplementedError

    def logs(self, owner: str, ref: str, *, node: str | None, follow: bool, tail: int | None) -> AsyncIterator[LogLine]:
        """Yield log lines."""
        raise NotImplementedError

    async def wait(self, owner: str, ref: str) -> ClusterRecord:
        """Return when the cluster is where its owner wants it, or given up. The time limit is the caller's."""
        raise NotImplementedError

    async def access(self, owner: str, ref: str) -> Access:
        """Return how to reach it. Raises Unavailable naming the phase when it is not running."""
        raise NotImplementedError

    async def health(self) -> HealthReport:
        """Return whether the engine and what it depends on work."""
        raise NotImplementedError

    async def purge_orphans(self) -> Sequence[str]:
        """End what runs under this installation's id but is in no record; allow sweeping from now on."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether a cluster runs, or is on its way to or from running: the server must not end by itself."""
        raise NotImplementedError
