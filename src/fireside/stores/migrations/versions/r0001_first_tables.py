"""Make the first tables: installation, clusters, events, steps, leases, idempotency keys.

There is no way back: records are not thrown away to run an older Fireside.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "installation",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("sweep_held", sa.Text),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_installation_one")),
        sa.UniqueConstraint("id", name=op.f("uq_installation_id")),
    )
    _clusters()
    _what_belongs_to_a_cluster()
    op.create_table(
        "leases",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("expires_at", _MOMENT),
        sa.CheckConstraint("token > 0", name=op.f("ck_leases_token")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("cluster_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("used_at", _MOMENT, nullable=False),
    )
    op.create_index(op.f("ix_idempotency_keys_used_at"), "idempotency_keys", ["used_at"])


def _clusters() -> None:
    op.create_table(
        "clusters",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("installation", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("backend", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("desired", sa.String, nullable=False),
        sa.Column("purge", sa.Boolean, nullable=False),
        sa.Column("status", sa.JSON, nullable=False),
        sa.Column("last_event", sa.Integer, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["installation"], ["installation.id"], name=op.f("fk_clusters_installation")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_clusters_owner_name")),
        sa.CheckConstraint("generation > 0", name=op.f("ck_clusters_generation")),
        sa.CheckConstraint("desired IN ('running', 'stopped', 'deleted')", name=op.f("ck_clusters_desired")),
    )


def _what_belongs_to_a_cluster() -> None:
    op.create_table(
        "events",
        sa.Column("cluster_id", sa.String, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("node", sa.String),
        sa.Column("message", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name=op.f("fk_events_cluster_id"), ondelete="CASCADE"),
        sa.CheckConstraint("seq > 0", name=op.f("ck_events_seq")),
    )
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("cluster_id", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("outcome", sa.Text),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name=op.f("fk_steps_cluster_id"), ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_steps_cluster_id"), "steps", ["cluster_id"])
