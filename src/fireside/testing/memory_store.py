"""A store that lives in memory: the fake for tests of whatever needs a store.

It passes the same contract checks as the real stores (:mod:`fireside.testing.store_contract`), except those on
what survives a restart. Each call gives way to the event loop once, so that callers who assume that nothing happens
between two calls are found out. Set :attr:`MemoryStore.broken` to an error to make every call raise it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count

from fireside.errors import Conflict, FiresideError, NotFound
from fireside.model.state import ClusterStatus, EventKind
from fireside.ports import ClusterRecord, Event, Installation, Lease, Step, StepKind

_KEY_LIFE = timedelta(days=1)


class MemoryStore:
    """Records in dictionaries. Nothing survives the object."""

    def __init__(self, *, installation_id: str = "fake-installation", sweep_held: str | None = None) -> None:
        self.broken: FiresideError | None = None
        """Raised by every call while it is set."""
        self._installation = Installation(installation_id, sweep_held)
        self._clusters: dict[str, ClusterRecord] = {}
        self._events: dict[str, list[Event]] = {}
        self._steps: dict[int, Step] = {}
        self._step_ids = count(1)
        self._keys: dict[tuple[str, str], tuple[datetime, str, str]] = {}
        self._leases: dict[str, Lease] = {}

    async def __aenter__(self) -> MemoryStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def installation(self) -> Installation:
        """Return the identity given to the constructor."""
        await self._turn()
        return self._installation

    async def release_sweep(self) -> None:
        """Allow sweeping again after it was held."""
        await self._turn()
        self._installation = Installation(self._installation.id, None)

    async def create(self, record: ClusterRecord, *, idempotency_key: str | None = None) -> tuple[ClusterRecord, bool]:
        """Insert a cluster, or return the one that is there."""
        await self._turn()
        if idempotency_key is not None:
            known = self._known(record, idempotency_key)
            if known is not None:
                return known, False
        existing = self._named(record.owner, record.name)
        stored = existing or _stored(record)
        if existing is None:
            self._clusters[stored.id] = stored
        if idempotency_key is not None:
            self._keys[record.owner, idempotency_key] = (record.created_at, stored.id, record.name)
        return stored, existing is None

    async def get(self, cluster_id: str) -> ClusterRecord:
        """Return a cluster. Raises NotFound."""
        await self._turn()
        return self._existing(cluster_id)

    async def find(self, owner: str, name: str) -> ClusterRecord | None:
        """Return the cluster with this alias, or None."""
        await self._turn()
        return self._named(owner, name)

    async def list_clusters(self, owner: str | None = None) -> Sequence[ClusterRecord]:
        """Return clusters by name; of every owner when None."""
        await self._turn()
        wanted = [record for record in self._clusters.values() if owner is None or record.owner == owner]
        return sorted(wanted, key=lambda record: (record.name, record.owner))

    async def replace(self, record: ClusterRecord, *, expected_generation: int) -> ClusterRecord:
        """Store what the owner wants now. Raises Conflict, NotFound."""
        await self._turn()
        current = self._existing(record.id)
        if current.generation != expected_generation:
            raise Conflict(
                f"Cluster {current.name} changed meanwhile: its generation is {current.generation}, "
                f"not {expected_generation}.",
                field="generation",
                found=str(current.generation),
                allowed=str(expected_generation),
                hint="Read the cluster again and repeat the change.",
            )
        wish = {name: getattr(_stored(record), name) for name in ("spec", "asked", "plan", "desired", "purge")}
        self._clusters[record.id] = current.model_copy(
            update={**wish, "generation": expected_generation + 1, "changed_at": record.changed_at}
        )
        return self._clusters[record.id]

    async def set_status(self, cluster_id: str, status: ClusterStatus, *, fence: Lease | None = None) -> None:
        """Store what the engine saw. Raises Conflict, NotFound."""
        await self._turn()
        newest = self._leases.get(fence.name) if fence else None
        if fence and newest and newest.token > fence.token:
            raise Conflict(
                f"{fence.holder} lost the lease {fence.name} and may not write any more: "
                f"the newest token is {newest.token}, not {fence.token}."
            )
        self._clusters[cluster_id] = self._existing(cluster_id).model_copy(update={"status": status})

    async def forget(self, cluster_id: str) -> None:
        """Delete a cluster's record, steps and events."""
        await self._turn()
        self._clusters.pop(cluster_id, None)
        self._events.pop(cluster_id, None)
        self._steps = {step.id: step for step in self._steps.values() if step.cluster_id != cluster_id}

    async def add_events(
        self, cluster_id: str, events: Sequence[tuple[datetime, EventKind, str | None, str]]
    ) -> Sequence[Event]:
        """Append (at, kind, node, message). Raises NotFound."""
        await self._turn()
        self._existing(cluster_id)
        past = self._events.setdefault(cluster_id, [])
        added = [
            Event(seq=seq, at=at, kind=kind, node=node, message=message)
            for seq, (at, kind, node, message) in enumerate(events, len(past) + 1)
        ]
        past.extend(added)
        return added

    async def events(self, cluster_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Return events with `seq` above `after`, oldest first."""
        await self._turn()
        return self._events.get(cluster_id, [])[after : after + limit]

    async def begin_step(self, cluster_id: str, generation: int, kind: StepKind, subject: str, at: datetime) -> Step:
        """Record a step that is about to be taken. Raises NotFound."""
        await self._turn()
        self._existing(cluster_id)
        step = Step(
            id=next(self._step_ids),
            cluster_id=cluster_id,
            generation=generation,
            kind=kind,
            subject=subject,
            started_at=at,
        )
        self._steps[step.id] = step
        return step

    async def end_step(self, step_id: int, at: datetime, outcome: str) -> None:
        """Record how a step ended."""
        await self._turn()
        step = self._steps.get(step_id)
        if step is not None and step.ended_at is None:
            self._steps[step_id] = step.model_copy(update={"ended_at": at, "outcome": outcome})

    async def open_steps(self, cluster_id: str) -> Sequence[Step]:
        """Return the steps whose end is not recorded."""
        await self._turn()
        return [step for step in self._steps.values() if step.cluster_id == cluster_id and step.ended_at is None]

    async def acquire(self, name: str, holder: str, now: datetime, seconds: float) -> Lease | None:
        """Take or renew a lease; None while somebody else holds it."""
        await self._turn()
        current = self._leases.get(name)
        held = current is not None and current.expires_at > now
        if held and current is not None and current.holder != holder:
            return None
        token = current.token if current else 0
        lease = Lease(name, holder, token if held else token + 1, now + timedelta(seconds=seconds))
        self._leases[name] = lease
        return lease

    async def release(self, lease: Lease) -> None:
        """Give a lease back. Its token is remembered, so that the next holder's is greater."""
        await self._turn()
        current = self._leases.get(lease.name)
        if current is not None and current.token == lease.token:
            never = datetime.min.replace(tzinfo=lease.expires_at.tzinfo)
            self._leases[lease.name] = Lease(lease.name, "", lease.token, never)

    async def check(self) -> None:
        """Raise `broken` when it is set."""
        await self._turn()

    async def close(self) -> None:
        """Keep everything: a test may open a second engine on the same records."""

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken

    def _named(self, owner: str, name: str) -> ClusterRecord | None:
        return next((one for one in self._clusters.values() if (one.owner, one.name) == (owner, name)), None)

    def _existing(self, cluster_id: str) -> ClusterRecord:
        record = self._clusters.get(cluster_id)
        if record is None:
            raise NotFound(f"No cluster has the id {cluster_id}.", field="id", found=cluster_id)
        return record

    def _known(self, record: ClusterRecord, key: str) -> ClusterRecord | None:
        """Return the cluster that this key made within its life. Raises Conflict when the key means another."""
        used_at, cluster_id, name = self._keys.get((record.owner, key), (None, "", ""))
        if used_at is None or record.created_at - used_at > _KEY_LIFE:
            return None
        if name == record.name and cluster_id in self._clusters:
            return self._clusters[cluster_id]
        what = "was deleted since" if name == record.name else "is another one"
        raise Conflict(
            f"This request's idempotency key made cluster {name}, which {what}: cluster {record.name} is not created.",
            field="idempotency_key",
            hint="Use a new key for a new wish.",
        )


def _stored(record: ClusterRecord) -> ClusterRecord:
    """Return the record as a store would give it back: what cannot be written as JSON fails here, too."""
    return ClusterRecord.model_validate_json(record.model_dump_json())
