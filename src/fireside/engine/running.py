"""The way to a usable cluster: which nodes are started, replaced, emptied or left alone now, and in which phase it is.

- **Start order.** A node that was never started in this run waits (is *held*) until the roles that its group comes
  after are ready. A node that died is started again without waiting for others.
- **Change.** Nodes of another digest are replaced one at a time, in the order of the plan: master, workers, Connect
  server. The next one goes when all before it are ready again.
- **Scale down.** The highest ordinals are drained, and removed when they are empty or `timeouts.drain` has passed.
- **Limits.** A start has `timeouts.ready` in all. A change has it for each node that becomes ready, so that a
  rolling change of many workers is not cut off half-way. So has a node that is started again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fireside.engine.decision import (
    CHANGE_TIMEOUT,
    LIVE,
    NODE_FAILED,
    START_FAILED,
    START_TIMEOUT,
    Action,
    Apply,
    Decision,
    Drain,
    Look,
    Timers,
    moved,
)
from fireside.engine.nodes import (
    FIRST_START,
    Need,
    NodeLook,
    NodeTimers,
    Told,
    Verdict,
    judge,
    role_of,
)
from fireside.model.plan import Node
from fireside.model.quantity import show_seconds
from fireside.model.state import ClusterStatus, EventKind, NodePhase, NodeState, NodeStatus, Phase, Role

FAST = 0.25
"""Seconds between looks while nodes are about to become ready."""
EASY = 1.0
"""The same after `LONG_START` seconds: what takes this long is not noticed a second later."""
LONG_START = 60.0
SLOW = 30.0
"""Seconds between looks at a ready cluster: only to notice a node that runs and does not answer."""

_NEW_START = frozenset({Phase.PENDING, Phase.STOPPED, Phase.STOPPING, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class _Picture:
    """The nodes of a cluster as judged, before anything is chosen."""

    verdicts: tuple[Verdict, ...]
    surplus: tuple[str, ...]
    """Nodes that are there and that the plan does not want."""
    phase: Phase
    told: tuple[Told, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether every node of the plan is ready and no other is there."""
        return not self.surplus and all(verdict.good for verdict in self.verdicts)

    @property
    def good(self) -> int:
        """How many nodes are ready and follow the plan."""
        return sum(verdict.good for verdict in self.verdicts)


def towards_running(look: Look) -> Decision:
    """Return what brings a cluster that is wanted closer to being usable."""
    picture = _picture(look)
    timers = _timers(look, picture)
    failure = _failure(look, picture, timers)
    # A new attempt begins before it can fail: its owner sees it start, and the table of phases has no other way.
    if failure and look.record.status.phase not in _NEW_START:
        return _failed(look, picture, failure)
    if picture.phase is Phase.READY:
        return _ready(look, picture, timers)
    chosen = _chosen(look, picture)
    action = _action(look, picture, chosen) if look.complete else None
    nodes = _statuses(look, picture, chosen if isinstance(action, Apply) else frozenset())
    status = moved(
        look,
        picture.phase,
        epoch=look.record.status.epoch or look.epoch,
        reason=None,
        message=look.trouble.message if look.trouble else _waits_for(nodes),
        nodes=nodes,
    )
    told = (*_adopted(look, picture), *_begun(look, picture), *_all_told(picture), *_degraded(look, picture, status))
    return Decision(status, timers, told, action, wake=0.0 if failure else _wake(look, picture, timers))


# ------------------------------------------------------------------------------------------- the picture


def _picture(look: Look) -> _Picture:
    record = look.record
    new = record.status.phase in _NEW_START
    digests = {group.role: record.plan.digest(group.role) for group in record.plan.groups}
    verdicts = tuple(
        judge(
            NodeLook(
                node=node,
                digest=digests[node.role],
                seen=look.nodes.get(node.name),
                complete=look.complete,
                old=_afresh(look, node) if new else record.status.nodes.get(node.name),
                answer=look.answers.get(node.name),
                timers=look.timers.of(node.name),
                now=look.now,
                tick=look.tick,
                jitter=look.jitter,
            )
        )
        for node in record.plan.nodes()
    )
    wanted = {verdict.node.name for verdict in verdicts}
    surplus = tuple(sorted(name for name in look.nodes if name not in wanted))
    dropped = tuple(
        (EventKind.NODE_STOPPED, name, f"{name} is gone, as wished")
        for name in record.status.nodes
        if name not in wanted and name not in look.nodes and look.complete
    )
    picture = _Picture(verdicts, surplus, record.status.phase, dropped)
    return replace(picture, phase=_phase(look, picture))


def _afresh(look: Look, node: Node) -> NodeStatus | None:
    """Return what a new attempt keeps of an earlier one: only that the end of its node is known.

    A node that is dead by now died before this attempt began, whenever that is noticed, and does not count against it.
    """
    old, seen = look.record.status.nodes.get(node.name), look.nodes.get(node.name)
    died_at = old.died_at if old else None
    incarnation = old.incarnation if old else None
    if seen is not None and seen.state is NodeState.GONE:
        incarnation = seen.incarnation
        died_at = died_at or look.now
    elif seen is None and look.complete and incarnation is not None:
        died_at = died_at or look.now
    elif old is None:
        return None
    return NodeStatus(role=node.role, phase=NodePhase.STOPPED, incarnation=incarnation, died_at=died_at)


def _phase(look: Look, picture: _Picture) -> Phase:
    record, old = look.record, look.record.status.phase
    if old in _NEW_START:
        return Phase.STARTING  # even when all is there already: ready is what follows a start
    if picture.reached:
        return Phase.READY
    if old in {Phase.READY, Phase.DEGRADED}:
        return Phase.CHANGING if record.status.observed_generation < record.generation else Phase.DEGRADED
    return old


def _timers(look: Look, picture: _Picture) -> Timers:
    nodes = {verdict.node.name: verdict.timers for verdict in picture.verdicts}
    for name in picture.surplus:
        began = look.timers.of(name).drain
        drain = began if began is not None else look.tick
        nodes[name] = NodeTimers(drain=drain if look.nodes[name].draining else None)
    old = look.timers
    entered = picture.phase is not look.record.status.phase or old.begun is None
    changed = old.generation != look.record.generation
    drains = any(look.nodes[name].draining for name in picture.surplus)  # that has a limit of its own
    closer = picture.phase is Phase.CHANGING and (picture.good > old.progress or drains)
    begun = look.tick if entered or changed or closer else old.begun
    return Timers(begun=begun, generation=look.record.generation, progress=picture.good, nodes=nodes)


# --------------------------------------------------------------------------------------------- the ends


def _ready(look: Look, picture: _Picture, timers: Timers) -> Decision:
    record = look.record
    status = moved(
        look,
        Phase.READY,
        observed_generation=record.generation,
        epoch=look.epoch,
        reason=None,
        message=None,
        nodes=_statuses(look, picture, frozenset()),
    )
    fresh = record.status.phase is not Phase.READY
    ready = ((EventKind.READY, None, f"{record.name} is ready: {_count(len(picture.verdicts), 'node')}"),)
    told = (*_adopted(look, picture), *_all_told(picture), *(ready if fresh else ()))
    wakes = [verdict.wake for verdict in picture.verdicts if verdict.wake is not None]
    return Decision(status, timers, told, wake=min([SLOW * (1 + look.jitter), *wakes]))


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    message: str


def _failure(look: Look, picture: _Picture, timers: Timers) -> _Failure | None:
    """Return why the cluster is given up, or None."""
    starting = picture.phase is Phase.STARTING
    for verdict in picture.verdicts:
        if verdict.status.phase is NodePhase.FAILED and verdict.need is Need.WAIT:
            reason = START_FAILED if starting else NODE_FAILED
            return _Failure(reason, f"{verdict.node.name}: {verdict.status.message}")
    if look.trouble and look.trouble.permanent and picture.phase in {Phase.STARTING, Phase.CHANGING}:
        return _Failure(START_FAILED if starting else NODE_FAILED, look.trouble.message)
    return _lateness(look, picture, timers)


def _lateness(look: Look, picture: _Picture, timers: Timers) -> _Failure | None:
    """Return which limit was passed, and what was waited for."""
    limit = look.record.spec.timeouts.ready
    waits = look.trouble.message if look.trouble else f"it {_waits_for(_seen_statuses(picture))}"
    late = timers.begun is not None and look.tick - timers.begun > limit
    if picture.phase is Phase.STARTING and late:
        return _Failure(START_TIMEOUT, f"not ready after {show_seconds(limit)}: {waits}")
    if picture.phase is Phase.CHANGING and late:
        return _Failure(CHANGE_TIMEOUT, f"the change made no progress for {show_seconds(limit)}: {waits}")
    if picture.phase is Phase.DEGRADED:
        for verdict in picture.verdicts:
            began = verdict.timers.started
            if verdict.status.phase is NodePhase.STARTING and began is not None and look.tick - began > limit:
                why = f"{verdict.node.name} was started again and is not ready after {show_seconds(limit)}"
                return _Failure(NODE_FAILED, f"{why}: {verdict.status.message}")
    return None


def _seen_statuses(picture: _Picture) -> dict[str, NodeStatus]:
    return {verdict.node.name: verdict.status for verdict in picture.verdicts}


def _failed(look: Look, picture: _Picture, failure: _Failure) -> Decision:
    record = look.record
    status = moved(
        look,
        Phase.FAILED,
        observed_generation=record.generation,
        reason=failure.reason,
        message=failure.message,
        nodes=_statuses(look, picture, frozenset()),
    )
    told = (*_all_told(picture), (EventKind.FAILED, None, f"{record.name} failed: {failure.message}"))
    return Decision(status, Timers(), told, wake=0.0)


# --------------------------------------------------------------------------------------------- choosing


def _chosen(look: Look, picture: _Picture) -> frozenset[str]:
    """Return the nodes that are started, replaced or removed now; all others are held."""
    return frozenset(_starts(look, picture)) | _replaced(picture) | frozenset(_spent(look, picture))


def _starts(look: Look, picture: _Picture) -> list[str]:
    ready = {
        group.role
        for group in look.record.plan.groups
        if all(v.status.phase is NodePhase.READY for v in picture.verdicts if v.node.role is group.role)
    }
    starts = []
    for verdict in picture.verdicts:
        group = look.record.plan.group(verdict.node.role)
        waits = group is not None and verdict.status.phase in FIRST_START and not ready.issuperset(group.after)
        if verdict.need is Need.START and not waits:
            starts.append(verdict.node.name)
    return starts


def _replaced(picture: _Picture) -> frozenset[str]:
    """Return the one node whose turn it is: the first of another digest, when all before it are ready."""
    for verdict in picture.verdicts:
        if verdict.need is Need.REPLACE:
            return frozenset({verdict.node.name})
        if not verdict.good:
            break
    return frozenset()


def _spent(look: Look, picture: _Picture) -> list[str]:
    """Return the surplus nodes that hold nothing any more, or have had their time."""
    limit = look.record.spec.timeouts.drain
    spent = []
    for name in picture.surplus:
        seen, began = look.nodes[name], look.timers.of(name).drain
        late = began is not None and look.tick - began >= limit
        empty = seen.draining and seen.children == 0
        if not _drains(look, name) or empty or (seen.draining and late):
            spent.append(name)
    return spent


def _drains(look: Look, name: str) -> bool:
    """Whether a surplus node is emptied first: a worker that runs in a cluster that still has workers."""
    running = look.nodes[name].state in LIVE
    keeps_role = look.record.plan.group(role_of(name)) is not None
    return running and keeps_role and look.drains and role_of(name) is Role.WORKER


def _action(look: Look, picture: _Picture, chosen: frozenset[str]) -> Action | None:
    drains = tuple(
        name
        for name in picture.surplus
        if name not in chosen and not look.nodes[name].draining and look.nodes[name].state is not NodeState.UNKNOWN
    )
    if drains:
        return Drain(drains)
    if not chosen:
        return None
    known = {verdict.node.name for verdict in picture.verdicts} | set(picture.surplus)
    return Apply(frozenset(known - chosen), ", ".join(sorted(chosen)))


# -------------------------------------------------------------------------------------------- telling it


def _statuses(look: Look, picture: _Picture, chosen: frozenset[str]) -> dict[str, NodeStatus]:
    """Return the nodes' statuses; the end of what is about to be replaced is marked as meant."""
    nodes = {}
    for verdict in picture.verdicts:
        status = verdict.status
        if verdict.node.name in chosen:
            message = "is restarted to follow the plan" if verdict.need is Need.REPLACE else "is being started"
            changes = {"phase": NodePhase.STARTING, "died_at": status.died_at or look.now, "message": message}
            status = status.model_copy(update={**changes, "ready_since": None, "retry_at": None})
        elif verdict.need is Need.START:
            status = status.model_copy(update={"phase": NodePhase.WAITING, "message": _held(look, verdict)})
        nodes[verdict.node.name] = status
    for name in picture.surplus:
        old = look.record.status.nodes.get(name) or NodeStatus(role=role_of(name), phase=NodePhase.DRAINING)
        changes = {"phase": NodePhase.DRAINING, "drain_since": old.drain_since or look.now, "message": "is not needed"}
        seen = look.nodes[name]
        ended = {"incarnation": seen.incarnation, "died_at": old.died_at or look.now}
        nodes[name] = old.model_copy(update={**changes, **ended})
    return nodes


def _held(look: Look, verdict: Verdict) -> str:
    group = look.record.plan.group(verdict.node.role)
    roles = ", ".join(role.value for role in group.after) if group else ""
    return f"is started when {roles or 'the cluster'} is ready"


def _waits_for(nodes: dict[str, NodeStatus]) -> str:
    """Return what is missing, in a few words."""
    missing = [f"{name} ({node.message or node.phase.value})" for name, node in nodes.items() if not _fine(node)]
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return f"waits for {', '.join(missing[:3])}{more}" if missing else "waits for a look at its nodes"


def _fine(node: NodeStatus) -> bool:
    return node.phase is NodePhase.READY


def _begun(look: Look, picture: _Picture) -> tuple[Told, ...]:
    if picture.phase is not Phase.STARTING or look.record.status.phase is Phase.STARTING:
        return ()
    return ((EventKind.STARTING, None, f"Starting {look.record.name}: {_count(len(picture.verdicts), 'node')}"),)


def _degraded(look: Look, picture: _Picture, status: ClusterStatus) -> tuple[Told, ...]:
    if picture.phase is not Phase.DEGRADED or look.record.status.phase is Phase.DEGRADED:
        return ()
    return ((EventKind.DEGRADED, None, f"{look.record.name} is degraded: it {status.message}"),)


def _adopted(look: Look, picture: _Picture) -> tuple[Told, ...]:
    """Tell that a new engine took over nodes that run."""
    alive = sum(verdict.alive for verdict in picture.verdicts)
    if not look.first or not alive or look.record.status.phase in _NEW_START:
        return ()
    return ((EventKind.ADOPTED, None, f"Adopted {_count(alive, 'running node')} of {look.record.name}"),)


def _all_told(picture: _Picture) -> tuple[Told, ...]:
    return (*picture.told, *(told for verdict in picture.verdicts for told in verdict.told))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _wake(look: Look, picture: _Picture, timers: Timers) -> float | None:
    """Return when something is due that no event announces."""
    fast = FAST if timers.begun is None or look.tick - timers.begun < LONG_START else EASY
    wakes = [verdict.wake for verdict in picture.verdicts if verdict.wake is not None]
    if not look.complete or picture.surplus or any(not v.good and v.alive for v in picture.verdicts):
        wakes.append(fast)
    return min([SLOW, *wakes])
