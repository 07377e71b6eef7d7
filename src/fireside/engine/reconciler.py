"""One look at one cluster: observe, decide, record what was seen, record the step, act.

What was seen is recorded before anything is done about it, and each step is open in the store before it is taken: so
whatever a crash leaves behind has a record that says whose it is. Events are recorded before the status that they
led to; a crash between the two tells something twice rather than never.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import SecretStr

from fireside.engine.broadcast import Broadcast, Signal
from fireside.engine.clock import within
from fireside.engine.decide import decide
from fireside.engine.decision import Apply, Decision, Drain, Forget, Halt, Look, Remove, Timers, Trouble
from fireside.engine.nodes import Told
from fireside.engine.readiness import Asker
from fireside.engine.roster import Roster
from fireside.errors import Conflict, FiresideError, InternalError, NotFound, PermanentError, Unsupported, UserError
from fireside.model.plan import SecretName
from fireside.model.state import PHASE_FOLLOWS, Desired, EventKind
from fireside.ports import Backend, Clock, ClusterRecord, Lease, NodeProbe, Note, StepKind, Store

OBSERVE_SECONDS = 30.0
REMOVE_SECONDS = 180.0
QUICK_SECONDS = 30.0
"""Limit of what should take no time: secrets, drain."""
LONGEST_PAUSE = 30.0
"""Most seconds between two attempts at what went wrong."""

T = TypeVar("T")


@dataclass(slots=True)
class _Memory:
    """What this process remembers of a cluster between looks; all of it may be lost."""

    timers: Timers = field(default_factory=Timers)
    looked: bool = False
    acting: bool = False
    trouble: Trouble | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the engine works with."""

    store: Store
    backends: Mapping[str, Backend]
    probe: NodeProbe
    clock: Clock

    def backend(self, name: str) -> Backend:
        """Return a backend. Raises Unsupported naming those that there are."""
        found = self.backends.get(name)
        if found is None:
            there = ", ".join(sorted(self.backends))
            raise Unsupported(f"There is no backend {name!r} here.", field="backend", found=name, allowed=there)
        return found


class Reconciler:
    """Looks at clusters, one at a time each."""

    def __init__(self, parts: Parts, roster: Roster, broadcast: Broadcast) -> None:
        self._parts = parts
        self._store = parts.store
        self._clock = parts.clock
        self._roster = roster
        self._broadcast = broadcast
        self._memory: dict[str, _Memory] = {}

    async def look_at(self, cluster_id: str, lease: Lease | None) -> float | None:
        """Look once and do what is next; return the seconds until the next look, None: when something changes."""
        try:
            record = await self._store.get(cluster_id)
        except NotFound:
            self._gone(cluster_id)
            return None
        self._roster.note(record)
        memory = self._memory.setdefault(cluster_id, _Memory())
        backend = self._parts.backend(record.backend)
        decision = decide(await self._look(record, backend, memory))
        record = await self._record(record, decision, lease)
        memory.timers, memory.looked = decision.timers, True
        if decision.action is not None:
            memory.acting = True
            await self._act(record, backend, decision)
            memory.acting = False
        memory.trouble, memory.failures = None, 0
        return 0.0 if decision.action is not None else decision.wake

    async def trouble(self, cluster_id: str, error: FiresideError, lease: Lease | None) -> float:
        """Record why a look failed; return the seconds until the next attempt. Raises what the store raises."""
        memory = self._memory.setdefault(cluster_id, _Memory())
        memory.failures += 1
        message = error.message if error.hint is None else f"{error.message} ({error.hint})"
        # What cannot be looked at may still run; only an act that is refused can end a start.
        final = isinstance(error, PermanentError | UserError) and not isinstance(error, Conflict)
        memory.trouble = Trouble(message, memory.acting and final)
        memory.acting = False
        record = await self._store.get(cluster_id)
        if record.status.message != message:
            status = record.status.model_copy(update={"message": message})
            await self._store.set_status(cluster_id, status, fence=lease)
            self._broadcast.tell(cluster_id, [Signal.CHANGED])
        if memory.trouble.permanent and record.desired is Desired.RUNNING and memory.failures == 1:
            return 0.0  # the next look ends it with this reason
        return float(min(LONGEST_PAUSE, 2.0 ** min(memory.failures - 1, 10)))

    def restart_timers(self) -> None:
        """Forget all that is only remembered: another engine may have acted meanwhile."""
        self._memory.clear()

    # -------------------------------------------------------------------------------------------- looking

    async def _look(self, record: ClusterRecord, backend: Backend, memory: _Memory) -> Look:
        if not memory.looked:
            await self._close_steps(record.id)
        what = f"looking at the nodes of {record.name}"
        seen = await within(self._clock, OBSERVE_SECONDS, what, backend.observe(record.id))
        nodes = seen.of(record.id)
        answers = {}
        if record.desired is Desired.RUNNING:
            answers = await Asker(backend, self._parts.probe, self._clock).ask(record, nodes)
        return Look(
            record=record,
            complete=seen.complete,
            epoch=seen.epoch,
            nodes=nodes,
            remains=record.id in seen.remains,
            answers=answers,
            now=self._clock.now(),
            tick=self._clock.monotonic(),
            timers=memory.timers,
            first=not memory.looked,
            drains=not backend.capabilities.chooses_victim,
            jitter=zlib.crc32(record.id.encode()) % 1000 / 1000,
            trouble=memory.trouble,
        )

    async def _close_steps(self, cluster_id: str) -> None:
        """End the steps that another engine was in when it ended: what is seen says what is left to do."""
        for step in await self._store.open_steps(cluster_id):
            await self._store.end_step(step.id, self._clock.now(), "interrupted")

    # ------------------------------------------------------------------------------------------ recording

    async def _record(self, record: ClusterRecord, decision: Decision, lease: Lease | None) -> ClusterRecord:
        await self._tell(record.id, decision.told)
        if decision.status == record.status:
            return record
        old, new = record.status.phase, decision.status.phase
        if new is not old and new not in PHASE_FOLLOWS[old]:
            raise InternalError(f"{record.name} cannot go from {old.value} to {new.value}")
        await self._store.set_status(record.id, decision.status, fence=lease)
        record = record.model_copy(update={"status": decision.status})
        self._roster.note(record)
        self._broadcast.tell(record.id, [Signal.CHANGED])
        return record

    async def _tell(self, cluster_id: str, told: Sequence[Told]) -> None:
        if told:
            now = self._clock.now()
            events = await self._store.add_events(cluster_id, [(now, *each) for each in told])
            self._broadcast.tell(cluster_id, events)

    async def _tell_notes(self, cluster_id: str, notes: Sequence[Note]) -> None:
        await self._tell(cluster_id, [(note.kind, note.node, note.message) for note in notes])

    def _gone(self, cluster_id: str) -> None:
        self._memory.pop(cluster_id, None)
        self._roster.drop(cluster_id)
        self._broadcast.tell(cluster_id, [Signal.ENDED])

    # --------------------------------------------------------------------------------------------- acting

    async def _act(self, record: ClusterRecord, backend: Backend, decision: Decision) -> None:
        match decision.action:
            case Apply(hold, subject):
                await self._apply(record, backend, hold, subject)
            case Drain(nodes):
                subject = ", ".join(nodes)
                drain = backend.drain(record.id, nodes)
                await self._step(record, StepKind.DRAIN, subject, QUICK_SECONDS, drain)
                told = [(EventKind.NODE_DRAINING, node, f"{node} is emptied before it is stopped") for node in nodes]
                await self._tell(record.id, told)
            case Remove(purge):
                remove = backend.remove(record.id, purge=purge)
                notes = await self._step(record, StepKind.REMOVE, _with_data(purge), REMOVE_SECONDS, remove)
                await self._tell_notes(record.id, notes)
                memory = self._memory[record.id]
                memory.timers = replace(memory.timers, removed=True)
            case Forget():
                await self._forget(record, backend)
            case Halt():
                await self._halt(record)
            case None:
                pass

    async def _apply(self, record: ClusterRecord, backend: Backend, hold: frozenset[str], subject: str) -> None:
        await self._make_secrets(record, backend)
        apply = backend.apply(record.id, record.generation, record.plan, hold)
        # A part of what a whole start may take, so that a backend that hangs once can be asked again.
        limit = max(QUICK_SECONDS, record.spec.timeouts.ready / 3)
        notes = await self._step(record, StepKind.APPLY, subject, limit, apply)
        await self._tell_notes(record.id, notes)

    async def _make_secrets(self, record: ClusterRecord, backend: Backend) -> None:
        """Make the secrets that the plan names and that are not there yet; those that are stay as they are."""
        if not record.plan.secrets:
            return
        what = f"reading the secrets of {record.name}"
        stored = await within(self._clock, QUICK_SECONDS, what, backend.read_secrets(record.id))
        missing = [name for name in record.plan.secrets if name not in stored]
        if not missing:
            return
        made = {name: SecretStr(secrets.token_urlsafe(32)) for name in missing}
        everything: dict[SecretName, SecretStr] = {**stored, **made}
        put = backend.put_secrets(record.id, everything)
        await self._step(record, StepKind.SECRETS, ", ".join(missing), QUICK_SECONDS, put)

    async def _forget(self, record: ClusterRecord, backend: Backend) -> None:
        what = f"measuring the data of {record.name}"
        if not record.purge and not await within(self._clock, REMOVE_SECONDS, what, backend.data_of(record.id)):
            # Nothing of value is left, so the rest (old logs, secrets) need not outlive the record.
            remove = backend.remove(record.id, purge=True)
            await self._step(record, StepKind.REMOVE, _with_data(True), REMOVE_SECONDS, remove)
        await self._tell(record.id, [(EventKind.DELETED, None, f"{record.name} is deleted")])
        forget = self._store.forget(record.id)
        await self._step(record, StepKind.FORGET, record.name, QUICK_SECONDS, forget)
        self._gone(record.id)

    async def _halt(self, record: ClusterRecord) -> None:
        wish = record.model_copy(update={"desired": Desired.STOPPED, "changed_at": self._clock.now()})
        try:
            await self._store.replace(wish, expected_generation=record.generation)
        except Conflict:
            return  # the owner asked for something meanwhile: the next look sees what

    async def _step(
        self, record: ClusterRecord, kind: StepKind, subject: str, seconds: float, call: Coroutine[Any, Any, T]
    ) -> T:
        """Record a step, take it within a limit, and record its end. A crash leaves it open."""
        try:
            step = await self._store.begin_step(record.id, record.generation, kind, subject, self._clock.now())
        except BaseException:
            call.close()
            raise
        try:
            result = await within(self._clock, seconds, f"{kind.value} of {record.name}", call)
        except FiresideError as error:
            await self._store.end_step(step.id, self._clock.now(), error.message)
            raise
        await self._store.end_step(step.id, self._clock.now(), "done")
        return result


def _with_data(purge: bool) -> str:
    return "nodes and data" if purge else "nodes"
