"""What a store does, as functions over an open transaction.

Each function that writes is called inside one serializable transaction (SQLite: there is one writer), so it may
read, decide and write. Rows that are read to be changed are read `FOR UPDATE`, which SQLite leaves out. Errors of the
database are left to the caller.

Statements are built once, at the top: building one costs three times as much as running it. Values of an insert or
update are named like their columns, those that choose rows begin with `of_`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection, Integer, RowMapping, bindparam, delete, insert, select, update

from fireside.errors import Conflict, NotFound, VersionMismatch
from fireside.model.state import ClusterStatus, EventKind
from fireside.ports import ClusterRecord, Event, Installation, Lease, Step, StepKind
from fireside.stores.tables import clusters, events, installation, keys, leases, steps

KEY_LIFE = timedelta(days=1)
"""How long an idempotency key is remembered."""

T = TypeVar("T")
NewEvent = tuple[datetime, EventKind, str | None, str]
"""When, what, which node, and the sentence."""

_WISH = {"spec", "asked", "plan", "desired", "purge"}
"""The fields that belong to the owner and change with the generation."""

_OF_ID = clusters.c.id == bindparam("of_id")
_OF_OWNER = clusters.c.owner == bindparam("of_owner")
_OF_LEASE = leases.c.name == bindparam("of_name")

_INSTALLATION = select(installation.c.id, installation.c.sweep_held)
_RELEASE_SWEEP = update(installation).values(sweep_held=None)
_CHANGES = select(installation.c.changes)
_TOUCH = update(installation).values(changes=installation.c.changes)
_COUNT_CHANGE = update(installation).values(changes=installation.c.changes + 1)

_CLUSTERS = select(*(clusters.c[name] for name in ClusterRecord.model_fields))
_CLUSTER = _CLUSTERS.where(_OF_ID)
_CLUSTERS_OF = _CLUSTERS.where(_OF_OWNER)
_NAMED = _CLUSTERS_OF.where(clusters.c.name == bindparam("of_name"))
_LOCKED = select(clusters.c.name, clusters.c.generation).where(_OF_ID).with_for_update()
_INSERT_CLUSTER = insert(clusters)
_CHANGE_CLUSTER = update(clusters).where(_OF_ID)
_FORGET_CLUSTER = delete(clusters).where(_OF_ID)

_KEY = select(keys.c.cluster_id, keys.c.name).where(
    keys.c.owner == bindparam("of_owner"), keys.c.key == bindparam("of_key")
)
_OLD_KEYS = delete(keys).where(keys.c.used_at < bindparam("of_before"))
_INSERT_KEY = insert(keys)

_TAKE_NUMBERS = (
    update(clusters)
    .where(_OF_ID)
    .values(last_event=clusters.c.last_event + bindparam("of_count"))
    .returning(clusters.c.last_event)
)
_INSERT_EVENT = insert(events)
_EVENTS = (
    select(*(events.c[name] for name in Event.model_fields))
    .where(events.c.cluster_id == bindparam("of_id"), events.c.seq > bindparam("of_after"))
    .order_by(events.c.seq)
    .limit(bindparam("of_limit", type_=Integer))
)

_BEGIN_STEP = insert(steps).returning(steps.c.id)
_END_STEP = update(steps).where(steps.c.id == bindparam("of_id"), steps.c.ended_at.is_(None))
_OPEN_STEPS = (
    select(steps).where(steps.c.cluster_id == bindparam("of_id"), steps.c.ended_at.is_(None)).order_by(steps.c.id)
)

_LEASE = select(leases).where(_OF_LEASE).with_for_update()
_TOKEN = select(leases.c.token).where(_OF_LEASE)
_INSERT_LEASE = insert(leases)
_CHANGE_LEASE = update(leases).where(_OF_LEASE)
_RELEASE_LEASE = update(leases).where(_OF_LEASE, leases.c.token == bindparam("of_token")).values(expires_at=None)


# ---------------------------------------------------------------------------------------- installation


def read_installation(db: Connection) -> Installation:
    """Return the identity of this installation."""
    row = db.execute(_INSTALLATION).one()
    return Installation(row.id, row.sweep_held)


def release_sweep(db: Connection) -> None:
    """Allow sweeping again after it was held."""
    db.execute(_RELEASE_SWEEP)


def count_changes(db: Connection) -> int:
    """Return how many creates, changes and deletes there were."""
    changes: int = db.execute(_CHANGES).scalar_one()
    return changes


def touch(db: Connection) -> None:
    """Write something that changes nothing, to see whether writing works."""
    db.execute(_TOUCH)


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
    row = db.execute(_NAMED, {"of_owner": owner, "of_name": name}).mappings().first()
    return None if row is None else _record(row)


def list_clusters(db: Connection, owner: str | None) -> list[ClusterRecord]:
    """Return clusters by name; of every owner when None."""
    rows = db.execute(_CLUSTERS) if owner is None else db.execute(_CLUSTERS_OF, {"of_owner": owner})
    # Sorted here: databases differ in how they order letters.
    return sorted(map(_record, rows.mappings()), key=lambda record: (record.name, record.owner))


def replace(db: Connection, record: ClusterRecord, expected_generation: int) -> ClusterRecord:
    """Store what the owner wants now, as the next generation. Raises Conflict, NotFound."""
    row = _existing(record.id, db.execute(_LOCKED, {"of_id": record.id}).first())
    if row.generation != expected_generation:
        raise Conflict(
            f"Cluster {row.name} changed meanwhile: its generation is {row.generation}, not {expected_generation}.",
            field="generation",
            found=str(row.generation),
            allowed=str(expected_generation),
            hint="Read the cluster again and repeat the change.",
        )
    wish = record.model_dump(mode="json", include=_WISH)
    number = {"generation": expected_generation + 1, "changed_at": record.changed_at}
    db.execute(_CHANGE_CLUSTER, {"of_id": record.id, **wish, **number})
    db.execute(_COUNT_CHANGE)
    return get(db, record.id)


def set_status(db: Connection, cluster_id: str, status: ClusterStatus, fence: Lease | None) -> None:
    """Store what the engine saw. Raises Conflict when the lease has a newer holder, NotFound."""
    if fence is not None:
        _check_fence(db, fence)
    done = db.execute(_CHANGE_CLUSTER, {"of_id": cluster_id, "status": status.model_dump(mode="json")})
    _existing(cluster_id, done.rowcount or None)


def forget(db: Connection, cluster_id: str) -> None:
    """Delete a cluster; its events and steps go with it."""
    if db.execute(_FORGET_CLUSTER, {"of_id": cluster_id}).rowcount:
        db.execute(_COUNT_CHANGE)


def _insert(db: Connection, record: ClusterRecord) -> ClusterRecord:
    values = record.model_dump(mode="json") | {"created_at": record.created_at, "changed_at": record.changed_at}
    db.execute(_INSERT_CLUSTER, {**values, "installation": read_installation(db).id, "last_event": 0})
    db.execute(_COUNT_CHANGE)
    return get(db, record.id)


def _made_with(db: Connection, record: ClusterRecord, key: str) -> ClusterRecord | None:
    """Return the cluster that this key made. Raises Conflict when that is another one, or was deleted since."""
    db.execute(_OLD_KEYS, {"of_before": record.created_at - KEY_LIFE})
    used = db.execute(_KEY, {"of_owner": record.owner, "of_key": key}).first()
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
    values = {"owner": record.owner, "key": key, "cluster_id": record.id, "name": record.name, "used_at": at}
    db.execute(_INSERT_KEY, values)


def _row(db: Connection, cluster_id: str) -> RowMapping | None:
    return db.execute(_CLUSTER, {"of_id": cluster_id}).mappings().first()


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
    taken = db.execute(_TAKE_NUMBERS, {"of_id": cluster_id, "of_count": len(new)})
    last: int = _existing(cluster_id, taken.scalar_one_or_none())
    added = [
        Event(seq=seq, at=at, kind=kind, node=node, message=message)
        for seq, (at, kind, node, message) in enumerate(new, last - len(new) + 1)
    ]
    if added:
        db.execute(_INSERT_EVENT, [{"cluster_id": cluster_id, **event.model_dump()} for event in added])
    return added


def read_events(db: Connection, cluster_id: str, after: int, limit: int) -> list[Event]:
    """Return events with `seq` above `after`, oldest first."""
    rows = db.execute(_EVENTS, {"of_id": cluster_id, "of_after": after, "of_limit": limit}).mappings()
    return [Event.model_validate(dict(row)) for row in rows]


def begin_step(db: Connection, cluster_id: str, generation: int, kind: StepKind, subject: str, at: datetime) -> Step:
    """Record a step that is about to be taken. Raises NotFound."""
    _existing(cluster_id, db.execute(_LOCKED, {"of_id": cluster_id}).first())
    values = {
        "cluster_id": cluster_id,
        "generation": generation,
        "kind": kind,
        "subject": subject,
        "started_at": at,
    }
    step_id = db.execute(_BEGIN_STEP, values).scalar_one()
    return Step.model_validate({"id": step_id, **values})


def end_step(db: Connection, step_id: int, at: datetime, outcome: str) -> None:
    """Record how a step ended; only its first end counts."""
    db.execute(_END_STEP, {"of_id": step_id, "ended_at": at, "outcome": outcome})


def open_steps(db: Connection, cluster_id: str) -> list[Step]:
    """Return the steps whose end is not recorded, oldest first."""
    return [Step.model_validate(dict(row)) for row in db.execute(_OPEN_STEPS, {"of_id": cluster_id}).mappings()]


# ---------------------------------------------------------------------------------------------- leases


def acquire(db: Connection, name: str, holder: str, now: datetime, seconds: float) -> Lease | None:
    """Take or renew a lease; None while somebody else holds it."""
    row = db.execute(_LEASE, {"of_name": name}).first()
    held = row is not None and row.expires_at is not None and row.expires_at > now
    if row is not None and held and row.holder != holder:
        return None
    token = 1 if row is None else row.token + (0 if held else 1)
    lease = Lease(name, holder, token, now + timedelta(seconds=seconds))
    values = {"holder": holder, "token": token, "expires_at": lease.expires_at}
    if row is None:
        db.execute(_INSERT_LEASE, {"name": name, **values})
    else:
        db.execute(_CHANGE_LEASE, {"of_name": name, **values})
    return lease


def release(db: Connection, lease: Lease) -> None:
    """Give a lease back; nothing happens when somebody else has it by now."""
    db.execute(_RELEASE_LEASE, {"of_name": lease.name, "of_token": lease.token})


def _check_fence(db: Connection, fence: Lease) -> None:
    newest = db.execute(_TOKEN, {"of_name": fence.name}).scalar_one_or_none()
    if newest is not None and newest > fence.token:
        raise Conflict(
            f"{fence.holder} lost the lease {fence.name} and may not write any more: "
            f"the newest token is {newest}, not {fence.token}."
        )
