"""What a store does, as functions over an open transaction.

Each function that writes is called inside one serializable transaction (SQLite: there is one writer), so it may
read, decide and write. Rows that are read to be changed are read `FOR UPDATE`, which SQLite leaves out. Errors of the
database are left to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from fireside.errors import Conflict, NotFound, VersionMismatch
from fireside.model.state import ClusterStatus, EventKind
from fireside.ports import ClusterRecord, Event, Installation, Lease, Step, StepKind
from fireside.stores.tables import clusters, events, installation, keys, leases, steps

KEY_LIFE = timedelta(days=1)
"""How long an idempotency key is remembered."""

T = TypeVar("T")
_RECORD = [clusters.c[name] for name in ClusterRecord.model_fields]
_WISH = ("spec", "asked", "plan", "desired", "purge")
"""The fields that belong to the owner and change with the generation."""

NewEvent = tuple[datetime, EventKind, str | None, str]
"""When, what, which node, and the sentence."""


# ---------------------------------------------------------------------------------------- installation


def read_installation(db: Connection) -> Installation:
    """Return the identity of this installation."""
    row = db.execute(select(installation.c.id, installation.c.sweep_held)).one()
    return Installation(row.id, row.sweep_held)


def release_sweep(db: Connection) -> None:
    """Allow sweeping again after it was held."""
    db.execute(update(installation).values(sweep_held=None))


def count_changes(db: Connection) -> int:
    """Return how many creates, changes and deletes there were."""
    changes: int = db.execute(select(installation.c.changes)).scalar_one()
    return changes


def touch(db: Connection) -> None:
    """Write something that changes nothing, to see whether writing works."""
    db.execute(update(installation).values(changes=installation.c.changes))


def _count_change(db: Connection) -> None:
    db.execute(update(installation).values(changes=installation.c.changes + 1))


# -------------------------------------------------------------------------------------------- clusters


def create(db: Connection, record: ClusterRecord, key: str | None) -> tuple[ClusterRecord, bool]:
    """Insert a cluster and True, or return the one with this owner and name, or this key, and False."""
    known = _made_with(db, record, key) if key is not None else None
    if known is not None:
        return known, False
    existing = find(db, record.owner, record.name)
    stored = existing or _insert(db, record)
    if key is not None:
        _remember(db, key, stored, record.created_at)
    return stored, existing is None


def get(db: Connection, cluster_id: str) -> ClusterRecord:
    """Return a cluster. Raises NotFound."""
    return _record(_existing(cluster_id, _row(db, cluster_id)))


def find(db: Connection, owner: str, name: str) -> ClusterRecord | None:
    """Return the cluster with this alias, or None."""
    query = select(*_RECORD).where(clusters.c.owner == owner, clusters.c.name == name)
    row = db.execute(query).mappings().first()
    return None if row is None else _record(row)


def list_clusters(db: Connection, owner: str | None) -> list[ClusterRecord]:
    """Return clusters by name; of every owner when None."""
    query = select(*_RECORD)
    if owner is not None:
        query = query.where(clusters.c.owner == owner)
    # Sorted here: databases differ in how they order letters.
    return sorted(map(_record, db.execute(query).mappings()), key=lambda record: (record.name, record.owner))


def replace(db: Connection, record: ClusterRecord, expected_generation: int) -> ClusterRecord:
    """Store what the owner wants now, as the next generation. Raises Conflict, NotFound."""
    current = select(clusters.c.name, clusters.c.generation).where(clusters.c.id == record.id).with_for_update()
    row = _existing(record.id, db.execute(current).first())
    if row.generation != expected_generation:
        raise Conflict(
            f"Cluster {row.name} changed meanwhile: its generation is {row.generation}, not {expected_generation}.",
            field="generation",
            found=str(row.generation),
            allowed=str(expected_generation),
            hint="Read the cluster again and repeat the change.",
        )
    wish = record.model_dump(mode="json", include=set(_WISH))
    change = update(clusters).where(clusters.c.id == record.id)
    db.execute(change.values(**wish, generation=expected_generation + 1, changed_at=record.changed_at))
    _count_change(db)
    return get(db, record.id)


def set_status(db: Connection, cluster_id: str, status: ClusterStatus, fence: Lease | None) -> None:
    """Store what the engine saw. Raises Conflict when the lease has a newer holder, NotFound."""
    if fence is not None:
        _check_fence(db, fence)
    change = update(clusters).where(clusters.c.id == cluster_id).values(status=status.model_dump(mode="json"))
    _existing(cluster_id, db.execute(change.returning(clusters.c.id)).first())


def forget(db: Connection, cluster_id: str) -> None:
    """Delete a cluster; its events and steps go with it."""
    if db.execute(delete(clusters).where(clusters.c.id == cluster_id)).rowcount:
        _count_change(db)


def _insert(db: Connection, record: ClusterRecord) -> ClusterRecord:
    values = record.model_dump(mode="json") | {"created_at": record.created_at, "changed_at": record.changed_at}
    identity = select(installation.c.id).scalar_subquery()
    db.execute(insert(clusters).values(**values, installation=identity, last_event=0))
    _count_change(db)
    return get(db, record.id)


def _made_with(db: Connection, record: ClusterRecord, key: str) -> ClusterRecord | None:
    """Return the cluster that this key made. Raises Conflict when that is another one, or was deleted since."""
    db.execute(delete(keys).where(keys.c.used_at < record.created_at - KEY_LIFE))
    used = db.execute(
        select(keys.c.cluster_id, keys.c.name).where(keys.c.owner == record.owner, keys.c.key == key)
    ).first()
    if used is None:
        return None
    row = _row(db, used.cluster_id)
    if row is not None and used.name == record.name:
        return _record(row)
    what = "was deleted since" if used.name == record.name else "is another one"
    raise Conflict(
        f"This request's idempotency key made cluster {used.name}, which {what}: cluster {record.name} is not created.",
        field="idempotency_key",
        hint="Use a new key for a new wish.",
    )


def _remember(db: Connection, key: str, record: ClusterRecord, at: datetime) -> None:
    db.execute(insert(keys).values(owner=record.owner, key=key, cluster_id=record.id, name=record.name, used_at=at))


def _row(db: Connection, cluster_id: str) -> RowMapping | None:
    return db.execute(select(*_RECORD).where(clusters.c.id == cluster_id)).mappings().first()


def _existing(cluster_id: str, row: T | None) -> T:
    if row is None:
        raise NotFound(f"No cluster has the id {cluster_id}.", field="id", found=cluster_id)
    return row


def _record(row: RowMapping) -> ClusterRecord:
    try:
        return ClusterRecord.model_validate(dict(row))
    except ValidationError as error:
        raise VersionMismatch(
            f"The record of cluster {row['name']} cannot be read: {error.errors()[0]['msg']}.",
            field=".".join(map(str, error.errors()[0]["loc"])),
            hint="It was written by another version of Fireside; use that one.",
        ) from error


# ------------------------------------------------------------------------------------ events and steps


def add_events(db: Connection, cluster_id: str, new: Sequence[NewEvent]) -> list[Event]:
    """Append events in the cluster's sequence. Raises NotFound."""
    take = update(clusters).where(clusters.c.id == cluster_id).values(last_event=clusters.c.last_event + len(new))
    last: int = _existing(cluster_id, db.execute(take.returning(clusters.c.last_event)).first())[0]
    added = [
        Event(seq=seq, at=at, kind=kind, node=node, message=message)
        for seq, (at, kind, node, message) in enumerate(new, last - len(new) + 1)
    ]
    if added:
        db.execute(insert(events), [{"cluster_id": cluster_id, **event.model_dump()} for event in added])
    return added


def read_events(db: Connection, cluster_id: str, after: int, limit: int) -> list[Event]:
    """Return events with `seq` above `after`, oldest first."""
    columns = [events.c[name] for name in Event.model_fields]
    query = select(*columns).where(events.c.cluster_id == cluster_id, events.c.seq > after)
    rows = db.execute(query.order_by(events.c.seq).limit(limit)).mappings()
    return [Event.model_validate(dict(row)) for row in rows]


def begin_step(db: Connection, cluster_id: str, generation: int, kind: StepKind, subject: str, at: datetime) -> Step:
    """Record a step that is about to be taken. Raises NotFound."""
    _existing(cluster_id, db.execute(select(clusters.c.id).where(clusters.c.id == cluster_id)).first())
    values = {
        "cluster_id": cluster_id,
        "generation": generation,
        "kind": kind,
        "subject": subject,
        "started_at": at,
    }
    step_id = db.execute(insert(steps).values(**values).returning(steps.c.id)).scalar_one()
    return Step.model_validate({"id": step_id, **values})


def end_step(db: Connection, step_id: int, at: datetime, outcome: str) -> None:
    """Record how a step ended; only its first end counts."""
    change = update(steps).where(steps.c.id == step_id, steps.c.ended_at.is_(None))
    db.execute(change.values(ended_at=at, outcome=outcome))


def open_steps(db: Connection, cluster_id: str) -> list[Step]:
    """Return the steps whose end is not recorded, oldest first."""
    query = select(steps).where(steps.c.cluster_id == cluster_id, steps.c.ended_at.is_(None)).order_by(steps.c.id)
    return [Step.model_validate(dict(row)) for row in db.execute(query).mappings()]


# ---------------------------------------------------------------------------------------------- leases


def acquire(db: Connection, name: str, holder: str, now: datetime, seconds: float) -> Lease | None:
    """Take or renew a lease; None while somebody else holds it."""
    row = db.execute(select(leases).where(leases.c.name == name).with_for_update()).first()
    held = row is not None and row.expires_at is not None and row.expires_at > now
    if row is not None and held and row.holder != holder:
        return None
    expires_at = now + timedelta(seconds=seconds)
    if row is None:
        db.execute(insert(leases).values(name=name, holder=holder, token=1, expires_at=expires_at))
        return Lease(name, holder, 1, expires_at)
    token: int = row.token if held else row.token + 1
    change = update(leases).where(leases.c.name == name)
    db.execute(change.values(holder=holder, token=token, expires_at=expires_at))
    return Lease(name, holder, token, expires_at)


def release(db: Connection, lease: Lease) -> None:
    """Give a lease back; nothing happens when somebody else has it by now."""
    change = update(leases).where(leases.c.name == lease.name, leases.c.token == lease.token)
    db.execute(change.values(expires_at=None))


def _check_fence(db: Connection, fence: Lease) -> None:
    newest = db.execute(select(leases.c.token).where(leases.c.name == fence.name)).scalar_one_or_none()
    if newest is not None and newest > fence.token:
        raise Conflict(
            f"{fence.holder} lost the lease {fence.name} and may not write any more: "
            f"the newest token is {newest}, not {fence.token}."
        )
