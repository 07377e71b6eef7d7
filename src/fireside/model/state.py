"""The states of clusters and nodes, and which may follow which.

A cluster has a *desired* state (what its owner asked for) and a *phase* (where it is on the way). The engine moves
the phase; :data:`PHASE_FOLLOWS` is the drawn transition table of ``docs/architecture.md``, and a phase change
that is not in it is a bug.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of the values that are stored and sent: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Role(StrEnum):
    """What a node does."""

    MASTER = "master"
    WORKER = "worker"
    CONNECT = "connect"


class Topology(StrEnum):
    """How the roles of a cluster are put together."""

    STANDALONE = "standalone"
    SINGLE = "single"


class Desired(StrEnum):
    """What the owner of a cluster asked for last."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class Phase(StrEnum):
    """Where a cluster is on its way to what is desired."""

    PENDING = "pending"  # accepted, nothing made yet
    STARTING = "starting"  # nodes are being made; not usable yet
    READY = "ready"  # usable, as its topology defines it
    CHANGING = "changing"  # usable or not, a change of the spec is being applied
    DEGRADED = "degraded"  # was ready; a node is lost and is being replaced
    FAILED = "failed"  # given up, with a reason; nodes that still run are left for inspection
    STOPPING = "stopping"
    STOPPED = "stopped"  # nothing runs; data, events and last log lines are kept
    DELETING = "deleting"


PHASE_FOLLOWS: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.STARTING, Phase.FAILED, Phase.STOPPING, Phase.STOPPED, Phase.DELETING}),
    Phase.STARTING: frozenset({Phase.READY, Phase.FAILED, Phase.STOPPING, Phase.DELETING, Phase.STOPPED}),
    Phase.READY: frozenset(
        {Phase.DEGRADED, Phase.CHANGING, Phase.STOPPING, Phase.DELETING, Phase.STOPPED, Phase.FAILED}
    ),
    Phase.CHANGING: frozenset(
        {Phase.READY, Phase.DEGRADED, Phase.FAILED, Phase.STOPPING, Phase.DELETING, Phase.STOPPED}
    ),
    Phase.DEGRADED: frozenset(
        {Phase.READY, Phase.CHANGING, Phase.FAILED, Phase.STOPPING, Phase.DELETING, Phase.STOPPED}
    ),
    Phase.FAILED: frozenset({Phase.STARTING, Phase.STOPPING, Phase.DELETING, Phase.STOPPED}),
    Phase.STOPPING: frozenset({Phase.STOPPED, Phase.STARTING, Phase.DELETING, Phase.FAILED}),
    Phase.STOPPED: frozenset({Phase.STARTING, Phase.DELETING}),
    Phase.DELETING: frozenset(),
}


class NodeState(StrEnum):
    """What a backend can see of a node. `UNKNOWN` is never a reason to kill."""

    STARTING = "starting"
    RUNNING = "running"
    GONE = "gone"
    UNKNOWN = "unknown"


class NodePhase(StrEnum):
    """What the owner of a cluster is told about a node."""

    WAITING = "waiting"  # not to be started yet: what it needs is not ready
    STARTING = "starting"  # made; does not answer yet
    READY = "ready"
    BACKING_OFF = "backing-off"  # died; will be started again at `retry_at`
    DRAINING = "draining"  # being emptied before it is stopped
    FAILED = "failed"  # died too often
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class EventKind(StrEnum):
    """Stable names of what can be told about a cluster."""

    CREATED = "cluster.created"
    CHANGED = "cluster.changed"
    ADOPTED = "cluster.adopted"
    STARTING = "cluster.starting"
    READY = "cluster.ready"
    DEGRADED = "cluster.degraded"
    FAILED = "cluster.failed"
    STOPPING = "cluster.stopping"
    STOPPED = "cluster.stopped"
    DELETED = "cluster.deleted"
    NODE_STARTED = "node.started"
    NODE_READY = "node.ready"
    NODE_EXITED = "node.exited"
    NODE_BACKING_OFF = "node.backing-off"
    NODE_DRAINING = "node.draining"
    NODE_STOPPED = "node.stopped"
    PORT_REPLACED = "port.replaced"
    NOTE = "note"


class NodeStatus(Frozen):
    """What is known of one node of a cluster, as recorded."""

    role: Role
    phase: NodePhase
    incarnation: str | None = None
    addresses: dict[str, str] = Field(default_factory=dict)
    """Port name → ``host:port``."""
    restarts: int = 0
    """Deaths since the node was last ready for longer than the reset time: they make the back-off grow."""
    failed_starts: int = 0
    """Deaths in a row before it was ever ready: too many of them end the cluster."""
    retry_at: datetime | None = None
    died_at: datetime | None = None
    """When the end of `incarnation` was noticed, or meant; its end is not counted again."""
    ready_since: datetime | None = None
    drain_since: datetime | None = None
    message: str | None = None
    """Why it is in this phase, in one sentence."""


class ClusterStatus(Frozen):
    """What the engine recorded last about a cluster."""

    phase: Phase = Phase.PENDING
    since: datetime
    observed_generation: int = 0
    """The generation that this status speaks of; below the record's, a change is still to be applied."""
    reason: str | None = None
    """A stable word for why (`machine-restarted`, `node-failed`, `start-timeout`, …)."""
    message: str | None = None
    """What it waits for, or why it ended, in one sentence."""
    epoch: str | None = None
    """The backend's epoch (for processes: the boot of the machine) in which the nodes were started."""
    nodes: dict[str, NodeStatus] = Field(default_factory=dict)
