"""The values between looking and acting: what one look at a cluster found, and what was decided from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fireside.engine.nodes import Answer, NodeTimers, Told
from fireside.model.state import ClusterStatus, NodeState, Phase
from fireside.ports import ClusterRecord, NodeObservation

MACHINE_RESTARTED = "machine-restarted"
START_TIMEOUT = "start-timeout"
START_FAILED = "start-failed"
CHANGE_TIMEOUT = "change-timeout"
NODE_FAILED = "node-failed"
STARTS_THAT_FAILED = frozenset({START_TIMEOUT, START_FAILED})
"""Reasons of a cluster that was never usable: what it started is taken away again."""

LIVE = frozenset({NodeState.RUNNING, NodeState.STARTING, NodeState.UNKNOWN})
"""States of a node that may still run."""


@dataclass(frozen=True, slots=True)
class Timers:
    """Ticks (`Clock.monotonic`) of one cluster. They live in memory: a restarted engine begins every limit anew."""

    begun: float | None = None
    """When the present start or change began, or last came closer to its end."""
    generation: int = 0
    """The generation that `begun` speaks of."""
    progress: int = 0
    """How many nodes were ready then."""
    removed: bool = False
    """Whether this engine has removed all of it since it was last asked to."""
    nodes: Mapping[str, NodeTimers] = field(default_factory=dict)

    def of(self, name: str) -> NodeTimers:
        """Return the timers of a node."""
        return self.nodes.get(name, NodeTimers())


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong when the engine last acted on a cluster, and has not been put right yet."""

    message: str
    permanent: bool
    """Trying it again the same way cannot help."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a cluster found. Everything that a decision is made from."""

    record: ClusterRecord
    complete: bool
    """The backend missed nothing: an absence may be believed."""
    epoch: str
    nodes: Mapping[str, NodeObservation]
    remains: bool
    """Anything of it is left that `remove` would take away."""
    answers: Mapping[str, Answer]
    now: datetime
    tick: float
    timers: Timers
    first: bool = False
    """This engine has not looked at it before."""
    drains: bool = True
    """The engine empties workers before a smaller count removes them (the backend does not choose them)."""
    jitter: float = 0.0
    """0 … 1, the same for a cluster at each look: spreads what would happen to all at one moment."""
    trouble: Trouble | None = None

    @property
    def live(self) -> bool:
        """Whether any node may still run."""
        return any(node.state in LIVE for node in self.nodes.values())

    @property
    def clean(self) -> bool:
        """Whether nothing is left, as far as this look can tell."""
        return not self.live and not self.remains


@dataclass(frozen=True, slots=True)
class Apply:
    """Make the plan so, except for the nodes in `hold`."""

    hold: frozenset[str]
    subject: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Ask these nodes to take no new work."""

    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """End every node."""

    purge: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete the record of a cluster of which nothing is left."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Record that the cluster is to stay stopped: the machine was restarted."""


Action = Apply | Drain | Remove | Forget | Halt


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a look: what is recorded, what is done next, and when to look again."""

    status: ClusterStatus
    timers: Timers
    told: tuple[Told, ...] = ()
    action: Action | None = None
    wake: float | None = None
    """Seconds until the next look; None: when something changes. After an action the next look is at once."""


def moved(look: Look, phase: Phase, **changes: object) -> ClusterStatus:
    """Return the record's status in `phase`; `since` moves when the phase does."""
    status = look.record.status
    since = status.since if phase is status.phase else look.now
    return status.model_copy(update={"phase": phase, "since": since, **changes})
