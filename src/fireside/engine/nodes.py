"""What is to be thought of one node: pure, from what was recorded, what is seen and what the node answers.

*A death* is the end of an incarnation that nobody meant. The end is meant when `NodeStatus.died_at` is set while the
node still runs (it is about to be replaced or stopped), and it is counted when `died_at` is set afterwards: so a
crash of the engine between two of its steps never counts one death twice, nor a replacement as a death.

*Back-off* is 1, 2, 4 … 60 s by the number of deaths since the node was last ready for half a minute. A node that was
ready and dies is started again for ever: its start works, and killing it by hand must not end a cluster. A node that
dies five times in a row *before* it is ready ends its cluster: trying again does not help.

*Unknown* is a state of its own. A node that cannot be seen, or that was ready and does not answer, is reported after
some patience, and never killed.

Elapsed time is measured in ticks (`Clock.monotonic`) that live in memory only: a jump of the wall clock changes
nothing, and after a restart of the engine every limit starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from fireside.model.plan import Node
from fireside.model.state import EventKind, NodePhase, NodeState, NodeStatus, Role
from fireside.ports import NodeObservation

FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 60.0
STABLE_AFTER = 30.0
"""Seconds ready after which earlier deaths are forgiven."""
FAILED_STARTS = 5
"""Deaths in a row before the node was ever ready, after which the cluster fails."""
PATIENCE = 10.0
"""Seconds that a node which was ready may be silent or out of sight before its owner is told."""

Told = tuple[EventKind, str | None, str]
"""An event to be: kind, node, message."""


class Need(Enum):
    """What has to be done about a node."""

    NOTHING = auto()
    START = auto()
    REPLACE = auto()  # it runs, but from another plan
    WAIT = auto()  # backing off, failed or out of sight: leave it as it is


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node said when it was asked whether it can be used."""

    ready: bool
    message: str | None = None


@dataclass(frozen=True, slots=True)
class NodeTimers:
    """Ticks at which something began, for one node; None: it did not."""

    started: float | None = None
    ready: float | None = None
    silent: float | None = None
    retry: float | None = None
    drain: float | None = None


@dataclass(frozen=True, slots=True)
class NodeLook:
    """All that is known of one node of the plan at one moment."""

    node: Node
    digest: str
    seen: NodeObservation | None
    complete: bool
    old: NodeStatus | None
    answer: Answer | None
    timers: NodeTimers
    now: datetime
    tick: float
    jitter: float = 0.0
    """0 … 1: up to a quarter is added to a back-off, so that many nodes do not come back at one moment."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for a node."""

    node: Node
    status: NodeStatus
    need: Need
    timers: NodeTimers
    told: tuple[Told, ...] = ()
    wake: float | None = None
    """Seconds after which it has to be looked at again."""
    alive: bool = field(default=False)

    @property
    def good(self) -> bool:
        """Whether it is ready and follows the plan."""
        return self.need is Need.NOTHING and self.status.phase is NodePhase.READY


def judge(look: NodeLook) -> Verdict:
    """Return what is to be thought of a node of the plan."""
    if look.seen is None:
        return _absent(look) if look.complete else _out_of_sight(look, "the backend's picture is not complete")
    match look.seen.state:
        case NodeState.UNKNOWN:
            return _out_of_sight(look, look.seen.reason or "the backend cannot see it")
        case NodeState.RUNNING | NodeState.STARTING:
            return _alive(look, look.seen)
        case NodeState.GONE:
            return _gone(look, look.seen.incarnation, look.seen.reason or "it ended", permanent=look.seen.permanent)


def _alive(look: NodeLook, seen: NodeObservation) -> Verdict:
    old = look.old or NodeStatus(role=look.node.role, phase=NodePhase.STARTING)
    fresh = old.incarnation != seen.incarnation
    told: list[Told] = []
    timers = replace(look.timers, retry=None, drain=None)
    if fresh:
        told.append((EventKind.NODE_STARTED, look.node.name, _started(look.node.name, seen)))
        old = old.model_copy(update={"ready_since": None})
        timers = NodeTimers()
    if timers.started is None:
        timers = replace(timers, started=look.tick)
    status = NodeStatus(
        role=look.node.role,
        phase=NodePhase.STARTING,
        incarnation=seen.incarnation,
        addresses={name: str(address) for name, address in sorted(seen.addresses.items())},
        restarts=old.restarts,
        failed_starts=old.failed_starts,
        ready_since=old.ready_since,
    )
    need = Need.REPLACE if seen.digest != look.digest or seen.draining else Need.NOTHING
    verdict = Verdict(look.node, status, need, timers, tuple(told), alive=True)
    if look.answer is not None and look.answer.ready:
        return _answered(look, verdict)
    return _not_ready(look, verdict)


def _started(name: str, seen: NodeObservation) -> str:
    where = ", ".join(f"{port} {address}" for port, address in sorted(seen.addresses.items()))
    return f"{name} started" + (f" ({where})" if where else "")


def _answered(look: NodeLook, verdict: Verdict) -> Verdict:
    """Judge a node that says it can be used."""
    status = verdict.status
    told = verdict.told
    if status.ready_since is None:
        told = (*told, (EventKind.NODE_READY, look.node.name, f"{look.node.name} is ready"))
    since = verdict.timers.ready if verdict.timers.ready is not None else look.tick
    stable = look.tick - since >= STABLE_AFTER
    changes = {
        "phase": NodePhase.READY,
        "ready_since": status.ready_since or look.now,
        "failed_starts": 0,
        "restarts": 0 if stable else status.restarts,
    }
    return replace(
        verdict,
        status=status.model_copy(update=changes),
        timers=replace(verdict.timers, ready=since, silent=None),
        told=told,
    )


def _not_ready(look: NodeLook, verdict: Verdict) -> Verdict:
    """Judge a node that runs and was not asked, did not answer, or says that it cannot be used yet."""
    was_ready = verdict.status.ready_since is not None
    if was_ready and look.answer is None:
        return replace(verdict, status=verdict.status.model_copy(update={"phase": NodePhase.READY}))
    if was_ready:
        why = look.answer.message if look.answer and look.answer.message else "does not answer"
        return _silent(look, verdict, f"was ready, but {why}")
    message = look.answer.message if look.answer else None
    return replace(verdict, status=verdict.status.model_copy(update={"message": message or "starting"}))


def _silent(look: NodeLook, verdict: Verdict, why: str) -> Verdict:
    """Judge a node that was ready and is silent or out of sight: ready still, until patience ends."""
    since = verdict.timers.silent if verdict.timers.silent is not None else look.tick
    lost = look.tick - since >= PATIENCE
    changes = {"phase": NodePhase.UNKNOWN, "message": why} if lost else {"phase": NodePhase.READY, "message": None}
    return replace(
        verdict,
        status=verdict.status.model_copy(update=changes),
        timers=replace(verdict.timers, silent=since),
        wake=None if lost else since + PATIENCE - look.tick,
    )


def _out_of_sight(look: NodeLook, why: str) -> Verdict:
    old = look.old or NodeStatus(role=look.node.role, phase=NodePhase.UNKNOWN)
    verdict = Verdict(look.node, old, Need.WAIT, look.timers)
    if old.phase is NodePhase.READY:
        return _silent(look, replace(verdict, need=Need.NOTHING), why)
    if old.phase in {NodePhase.FAILED, NodePhase.BACKING_OFF}:
        return verdict
    # A node that was never started stays one: WAITING is what tells its first start from a later one.
    phase = old.phase if old.phase in FIRST_START and old.incarnation is None else NodePhase.UNKNOWN
    return replace(verdict, status=old.model_copy(update={"phase": phase, "message": why}))


def _absent(look: NodeLook) -> Verdict:
    old = look.old
    if old is None or old.incarnation is None:
        status = old or NodeStatus(role=look.node.role, phase=NodePhase.WAITING)
        return Verdict(look.node, status, Need.START, NodeTimers())
    return _gone(look, old.incarnation, "it disappeared", permanent=False)


def _gone(look: NodeLook, incarnation: str, reason: str, *, permanent: bool) -> Verdict:
    old = look.old
    if old is None or old.incarnation != incarnation or old.died_at is None:
        return _died(look, incarnation, reason, permanent=permanent)
    if old.phase is NodePhase.FAILED:
        return Verdict(look.node, old, Need.WAIT, look.timers)
    due = look.timers.retry
    if old.phase is NodePhase.BACKING_OFF and due is not None and due > look.tick:
        return Verdict(look.node, old, Need.WAIT, look.timers, wake=due - look.tick)
    return Verdict(look.node, old, Need.START, NodeTimers())


def _died(look: NodeLook, incarnation: str, reason: str, *, permanent: bool) -> Verdict:
    """Count a death and decide whether the node is tried again."""
    name = look.node.name
    old = look.old or NodeStatus(role=look.node.role, phase=NodePhase.STARTING)
    was_ready = old.ready_since is not None and old.incarnation == incarnation
    stable = was_ready and look.timers.ready is not None and look.tick - look.timers.ready >= STABLE_AFTER
    restarts = 1 if stable else old.restarts + 1
    failed_starts = 0 if was_ready else old.failed_starts + 1
    status = NodeStatus(
        role=look.node.role,
        phase=NodePhase.FAILED,
        incarnation=incarnation,
        restarts=restarts,
        failed_starts=failed_starts,
        died_at=look.now,
        message=reason,
    )
    exited: Told = (EventKind.NODE_EXITED, name, f"{name} ended: {reason}")
    if permanent:
        return Verdict(look.node, status, Need.WAIT, NodeTimers(), (exited,))
    if failed_starts >= FAILED_STARTS:
        message = f"died {failed_starts} times before it was ready, the last time: {reason}"
        return Verdict(look.node, status.model_copy(update={"message": message}), Need.WAIT, NodeTimers(), (exited,))
    delay = back_off(restarts) * (1 + look.jitter / 4)
    changes = {
        "phase": NodePhase.BACKING_OFF,
        "retry_at": look.now + timedelta(seconds=delay),
        "message": f"{reason}; is started again after {back_off(restarts):g} s",
    }
    again: Told = (EventKind.NODE_BACKING_OFF, name, f"{name} is started again in {back_off(restarts):g} s")
    return Verdict(
        look.node,
        status.model_copy(update=changes),
        Need.WAIT,
        NodeTimers(retry=look.tick + delay),
        (exited, again),
        wake=delay,
    )


def back_off(deaths: int) -> float:
    """Return the seconds to wait after this many deaths: 1, 2, 4 … 60."""
    return float(min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(max(deaths, 1) - 1, 10)))


FIRST_START = frozenset({NodePhase.WAITING, NodePhase.STOPPED, NodePhase.FAILED})
"""Phases from which a start is the first of this run: it waits for the roles that its group comes after."""


def role_of(name: str) -> Role:
    """Return the role of a node by its name (`worker-3`)."""
    return Role(name.partition("-")[0])
