"""What to do about a cluster: pure, from one look to one decision.

How a failure ends is decided here:

- A **start** that fails (a node that dies five times before it is ready, a failure that cannot pass, a start that
  takes longer than `timeouts.ready`) ends in phase failed with a sentence, and what it had started is removed: nobody
  used it, and a half cluster holds memory and ports. Logs and the record stay.
- A cluster that **was ready** and then fails keeps the nodes that run: somebody may have work on them.
- A failed cluster is left alone until its owner asks for something new (any new generation): that is a new attempt,
  with all counters at zero.
- A cluster whose nodes were all lost with the machine is not started again by itself: its wish becomes stopped, with
  the command that brings it back.
- Ending a cluster has no limit of its own: it is tried again, with the reason in the status, until all of it is gone.
"""

from __future__ import annotations

from fireside.engine.decision import (
    LIVE,
    MACHINE_RESTARTED,
    STARTS_THAT_FAILED,
    Decision,
    Forget,
    Halt,
    Look,
    Remove,
    Timers,
    moved,
)
from fireside.engine.running import towards_running
from fireside.model.state import Desired, EventKind, NodePhase, NodeStatus, Phase

UNCLEAR = 1.0
"""Seconds between looks while the backend's picture is not complete."""


def decide(look: Look) -> Decision:
    """Return what follows from a look at a cluster."""
    match look.record.desired:
        case Desired.STOPPED:
            return _towards_stopped(look)
        case Desired.DELETED:
            return _towards_deleted(look)
        case Desired.RUNNING:
            return _towards_usable(look)


def _towards_usable(look: Look) -> Decision:
    if machine_restarted(look):
        return Decision(look.record.status, look.timers, action=Halt())
    status = look.record.status
    if status.phase is Phase.FAILED and status.observed_generation >= look.record.generation:
        return _given_up(look)
    return towards_running(look)


def machine_restarted(look: Look) -> bool:
    """Whether all its nodes were lost at once with the machine; false while that is not certain."""
    lost = look.record.status.epoch not in {None, look.epoch}
    return lost and look.complete and not look.live


def _given_up(look: Look) -> Decision:
    """Take away what a start that failed left; otherwise leave all as it is."""
    status = look.record.status
    if status.reason not in STARTS_THAT_FAILED or look.clean:
        return Decision(status, Timers())
    # Unknown nodes are removed, too: that is the end of a start that nobody ever used.
    ending = status.model_copy(update={"nodes": _ended_nodes(look)})
    return Decision(ending, Timers(), action=Remove(purge=False))


def _towards_stopped(look: Look) -> Decision:
    record, status = look.record, look.record.status
    if status.phase is Phase.STOPPED:
        if look.complete and not look.clean:
            return Decision(status, look.timers, action=Remove(purge=False))
        settled = status.model_copy(update={"observed_generation": record.generation, "epoch": None})
        return Decision(settled, Timers(), wake=None if look.complete else UNCLEAR)
    if look.complete and look.clean:
        return _stopped(look)
    told = () if status.phase is Phase.STOPPING else ((EventKind.STOPPING, None, f"Stopping {record.name}"),)
    reason = status.reason if status.phase is Phase.STOPPING else _why_stopped(look)
    stopping = moved(look, Phase.STOPPING, reason=reason, message=_ending(look), nodes=_ended_nodes(look))
    if look.timers.removed and look.clean:
        # Removed as far as can be seen; the picture is not complete, so its absence is not believed yet.
        return Decision(stopping, look.timers, told, wake=UNCLEAR)
    return Decision(stopping, look.timers, told, action=Remove(purge=False))


def _stopped(look: Look) -> Decision:
    record, status = look.record, look.record.status
    reason = status.reason if status.phase is Phase.STOPPING else _why_stopped(look)
    restarted = f"The machine was restarted and ended every node. Bring it back with: fireside up {record.name}"
    message = restarted if reason == MACHINE_RESTARTED else None
    stopped = moved(
        look,
        Phase.STOPPED,
        observed_generation=record.generation,
        epoch=None,
        reason=reason,
        message=message,
        nodes=_ended_nodes(look),
    )
    told = (EventKind.STOPPED, None, message or f"{record.name} is stopped; its data and logs are kept")
    return Decision(stopped, Timers(), (told,))


def _why_stopped(look: Look) -> str | None:
    return MACHINE_RESTARTED if machine_restarted(look) else None


def _towards_deleted(look: Look) -> Decision:
    record, status = look.record, look.record.status
    told = () if status.phase is Phase.DELETING else ((EventKind.STOPPING, None, f"Deleting {record.name}"),)
    deleting = moved(look, Phase.DELETING, reason=None, message=_ending(look), nodes=_ended_nodes(look))
    if not look.clean or not look.timers.removed:
        return Decision(deleting, look.timers, told, action=Remove(purge=record.purge))
    if not look.complete:
        return Decision(deleting, look.timers, told, wake=UNCLEAR)
    return Decision(deleting, look.timers, told, action=Forget())


def _ending(look: Look) -> str:
    return look.trouble.message if look.trouble else "ending its nodes"


def _ended_nodes(look: Look) -> dict[str, NodeStatus]:
    """Return the nodes with their end marked as meant, so that it is never taken for a death."""
    ended: dict[str, NodeStatus] = {}
    for name, node in look.record.status.nodes.items():
        seen = look.nodes.get(name)
        live = seen is not None and seen.state in LIVE
        failed = node.phase is NodePhase.FAILED
        ended[name] = node.model_copy(
            update={
                "phase": node.phase if live or failed else NodePhase.STOPPED,
                "incarnation": seen.incarnation if seen else node.incarnation,
                "died_at": node.died_at or look.now,
                "retry_at": None,
                "ready_since": None,
                "message": node.message if failed else None,
                "addresses": node.addresses if live else {},
            }
        )
    return ended
