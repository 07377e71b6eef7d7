"""A store: where records survive, and what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from fireside.model.plan import Plan
from fireside.model.spec import ClusterSpec
from fireside.model.state import ClusterStatus, Desired, EventKind, Frozen


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
