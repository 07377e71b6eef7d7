"""The tables, as the newest migration leaves them.

A test holds this module and ``migrations`` against each other. What a database can keep true by itself is a
constraint here: one installation, one cluster per owner and name, events and steps that end with their cluster.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

REVISION = "0001"
"""The newest migration; a database at this revision needs no work when it is opened."""


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept in UTC. SQLite has no time zones, so they are taken off and put on here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC. Raises ValueError for a time without a zone, which means no moment."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its zone."""
        return value.replace(tzinfo=UTC) if value is not None and dialect.name == "sqlite" else value


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

installation = Table(
    "installation",
    metadata,
    Column("one", Integer, CheckConstraint("one = 1", name="one"), primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("sweep_held", Text),
    # Counts creates, changes and deletes; the marker beside the database knows how far it had come.
    Column("changes", Integer, nullable=False),
)

clusters = Table(
    "clusters",
    metadata,
    Column("id", String, primary_key=True),
    Column("installation", ForeignKey("installation.id"), nullable=False),
    Column("owner", String, nullable=False),
    Column("name", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("generation", Integer, CheckConstraint("generation > 0", name="generation"), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("asked", JSON, nullable=False),
    Column("plan", JSON, nullable=False),
    Column(
        "desired",
        String,
        CheckConstraint("desired IN ('running', 'stopped', 'deleted')", name="desired"),
        nullable=False,
    ),
    Column("purge", Boolean, nullable=False),
    Column("status", JSON, nullable=False),
    # The highest `seq` of its events. Taking numbers here, in the row, leaves no gaps and no two alike.
    Column("last_event", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    UniqueConstraint("owner", "name"),
)

events = Table(
    "events",
    metadata,
    Column("cluster_id", ForeignKey("clusters.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, CheckConstraint("seq > 0", name="seq"), primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", String, nullable=False),
    Column("node", String),
    Column("message", Text, nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cluster_id", ForeignKey("clusters.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("outcome", Text),
    # Never gives an id again, so that a late end of a forgotten step ends nothing else.
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("token", Integer, CheckConstraint("token > 0", name="token"), nullable=False),
    # None: given back. The row stays, so that the next token is greater.
    Column("expires_at", UtcTime),
)

keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String, primary_key=True),
    Column("key", String, primary_key=True),
    # No foreign key: a key outlives its cluster, so that a late repetition does not bring it back.
    Column("cluster_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("used_at", UtcTime, nullable=False),
    Index(None, "used_at"),
)
