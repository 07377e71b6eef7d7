"""The use cases: what an owner can ask of the engine. Each returns when the wish is durable, not when it is fulfilled.

`ref` is a cluster's name (of this owner) or its id. A cluster of another owner is NotFound.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from fireside.engine.broadcast import Broadcast, Signal
from fireside.engine.clock import within
from fireside.engine.queue import WorkQueue
from fireside.engine.reconciler import OBSERVE_SECONDS, Parts, Reconciler
from fireside.engine.roster import Roster, settled
from fireside.engine.supervisor import Supervisor
from fireside.engine.sweep import Sweeper
from fireside.engine.wishes import (
    Mode,
    Proposal,
    Wish,
    given_up,
    propose,
    read,
    refuse_difference,
    refuse_errors,
)
from fireside.errors import Conflict, FiresideError, InvalidSpec, NotFound, Refused, Unavailable, Unsupported
from fireside.model.plan import SecretName
from fireside.model.spark import GRPC, RPC
from fireside.model.spec import merge, validate
from fireside.model.state import ClusterStatus, Desired, EventKind, Phase, Role
from fireside.ports import Address, Backend, Clock, ClusterRecord, Event, LogLine, NodeProbe, Store

__all__ = ["Access", "Engine", "HealthReport", "Mode", "Proposal"]

POLL_SECONDS = 2.0
SETTLE_SECONDS = 30.0
_PAGE = 1000
_USABLE = frozenset({Phase.READY, Phase.DEGRADED, Phase.CHANGING})


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a running cluster, secrets included."""

    record: ClusterRecord
    connect: Address | None
    master: Address | None
    token: SecretStr | None
    rpc_secret: SecretStr | None
    workspace: str
    environment: Mapping[str, str]
    """What a driver of the owner's own needs where the nodes run; no secrets."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Whether the engine and what it depends on work."""

    dependencies: Mapping[str, str]
    sweep_held: str | None
    orphans: tuple[str, ...]


class Engine:
    """Moves clusters towards what their owners want.

    `run()` is the supervisor; the other methods may be called while it runs.
    """

    def __init__(
        self,
        *,
        store: Store,
        backends: Mapping[str, Backend],
        probe: NodeProbe,
        clock: Clock,
        holder: str,
        poll: float = POLL_SECONDS,
    ) -> None:
        self._store = store
        self._backends = backends
        self._clock = clock
        self._parts = Parts(store, backends, probe, clock)
        self._roster = Roster()
        self._broadcast = Broadcast()
        self._queue = WorkQueue(clock)
        self._sweeper = Sweeper(self._parts, self._roster)
        self._supervisor = Supervisor(
            self._parts,
            queue=self._queue,
            roster=self._roster,
            reconciler=Reconciler(self._parts, self._roster, self._broadcast),
            sweeper=self._sweeper,
            holder=holder,
            poll=poll,
        )

    async def run(self) -> None:
        """Supervise until cancelled. Nodes keep running when it ends."""
        await self._supervisor.run()

    # ------------------------------------------------------------------------------------------- wishing

    async def propose(self, owner: str, asked: Mapping[str, Any], *, mode: Mode = "replace") -> Proposal:
        """Return what `asked` would mean. Raises InvalidSpec, DoesNotFit, Unsupported."""
        wish = await self._read(owner, asked, mode)
        return await propose(wish, self._backend(wish.spec.backend))

    async def create(
        self,
        owner: str,
        asked: Mapping[str, Any],
        *,
        mode: Mode = "refuse",
        start: bool = True,
        expected_generation: int | None = None,
    ) -> tuple[ClusterRecord, bool]:
        """Create a cluster, or change or start the one of that name; return it and whether it is new.

        The same spec again changes nothing. An empty spec for an existing name means "as it is". Raises Conflict
        when it exists with another spec and `mode` is refuse, or when the generation is not the expected one.
        """
        wish = await self._read(owner, asked, mode)
        if wish.current is None:
            record, new = await self._create(owner, wish, start=start)
            if new:
                return record, True
            # Somebody created it meanwhile: theirs is what this request is held against.
            wish = read(asked, record, mode)
        return await self._create_again(wish, mode, start=start, expected_generation=expected_generation), False

    async def scale(self, owner: str, ref: str, workers: int) -> ClusterRecord:
        """Change the number of workers. Raises NotFound, DoesNotFit, Unsupported, Conflict (being deleted)."""
        record = self._not_deleted(await self.get(owner, ref))
        if record.plan.group(Role.WORKER) is None:
            raise Unsupported(
                f"Cluster {record.name} has topology {record.plan.topology.value}, which has no workers to scale.",
                field="workers",
                hint="Give it topology standalone.",
            )
        asked = merge(record.asked, {"workers": {"count": workers}})
        return await self._change(read(asked, record, "replace"), start=False)

    async def restart(self, owner: str, ref: str, roles: Sequence[str]) -> ClusterRecord:
        """Restart the nodes of these roles (all when empty), and clear a failure. A stopped cluster is started."""
        record = await self._settled_after_reboot(self._not_deleted(await self.get(owner, ref)))
        there = [group.role for group in record.plan.groups]
        unknown = sorted(set(roles) - {role.value for role in there})
        if unknown:
            raise InvalidSpec(
                f"Cluster {record.name} has no nodes of role {', '.join(unknown)}.",
                field="roles",
                found=unknown[0],
                allowed=", ".join(role.value for role in there),
            )
        chosen = [role for role in there if not roles or role.value in roles]
        groups = tuple(
            group.model_copy(update={"revision": group.revision + 1}) if group.role in chosen else group
            for group in record.plan.groups
        )
        plan = record.plan.model_copy(update={"groups": groups})
        wish = record.model_copy(update={"plan": plan, "desired": Desired.RUNNING})
        words = ", ".join(role.value for role in chosen)
        return await self._replace(wish, record.generation, f"Restart asked for: {words}")

    async def stop(self, owner: str, ref: str) -> ClusterRecord:
        """End every node; keep data, events and logs. Nothing happens when it is stopped already."""
        record = self._not_deleted(await self.get(owner, ref))
        if record.desired is Desired.STOPPED:
            return record
        wish = record.model_copy(update={"desired": Desired.STOPPED})
        return await self._replace(wish, record.generation, "Stop asked for")

    async def delete(self, owner: str, ref: str, *, purge: bool) -> ClusterRecord:
        """End every node and forget the cluster; with `purge` its data, too, else Conflict when there are any."""
        record = await self.get(owner, ref)
        if record.desired is Desired.DELETED and record.purge >= purge:
            return record
        if not purge:
            await self._refuse_to_lose_data(record)
        wish = record.model_copy(update={"desired": Desired.DELETED, "purge": purge})
        return await self._replace(wish, record.generation, "Delete asked for" + (", data included" if purge else ""))

    async def data_of(self, owner: str, ref: str) -> Sequence[tuple[str, int]]:
        """Return what a delete with `purge` would take away: (path, bytes)."""
        record = await self.get(owner, ref)
        return await self._backend(record.backend).data_of(record.id)

    # ------------------------------------------------------------------------------------------- reading

    async def get(self, owner: str, ref: str) -> ClusterRecord:
        """Return a cluster. Raises NotFound."""
        record = await self._store.find(owner, ref)
        if record is not None:
            return record
        try:
            record = await self._store.get(ref)
        except NotFound as error:
            raise await self._no_such(owner, ref) from error
        if record.owner != owner:
            raise await self._no_such(owner, ref)
        return record

    async def list_clusters(self, owner: str) -> Sequence[ClusterRecord]:
        """Return the owner's clusters by name."""
        return await self._store.list_clusters(owner)

    async def events(self, owner: str, ref: str, *, after: int = 0, follow: bool = False) -> AsyncIterator[Event]:
        """Yield events with `seq` above `after`; with `follow` also those to come, until the cluster is forgotten."""
        record = await self.get(owner, ref)
        with self._broadcast.follow(record.id) as heard:
            last = after
            while page := await self._store.events(record.id, after=last, limit=_PAGE):
                for event in page:
                    yield event
                last = page[-1].seq
            if follow and await self._is_forgotten(record.id):
                return
            while follow:
                match await heard.get():
                    case Event() as event if event.seq > last:
                        last = event.seq
                        yield event
                    case Signal.ENDED:
                        return
                    case _:
                        pass

    async def logs(
        self, owner: str, ref: str, *, node: str | None, follow: bool, tail: int | None
    ) -> AsyncIterator[LogLine]:
        """Yield log lines."""
        record = await self.get(owner, ref)
        async for line in self._backend(record.backend).logs(record.id, node, follow=follow, tail=tail):
            yield line

    async def wait(self, owner: str, ref: str) -> ClusterRecord:
        """Return when the cluster is where its owner wants it, or given up. The time limit is the caller's.

        A deleted cluster is returned as it was last, when it is forgotten.
        """
        record = await self.get(owner, ref)
        with self._broadcast.follow(record.id) as heard:
            while True:
                try:
                    record = await self._store.get(record.id)
                except NotFound:
                    return record
                if settled(record) and record.desired is not Desired.DELETED:
                    return record
                while await heard.get() not in {Signal.CHANGED, Signal.ENDED}:
                    pass

    async def access(self, owner: str, ref: str) -> Access:
        """Return how to reach it. Raises Unavailable naming the phase when it is not running."""
        record = await self.get(owner, ref)
        if record.status.phase not in _USABLE:
            why = f": {record.status.message}" if record.status.message else ""
            raise Unavailable(
                f"Cluster {record.name} is {record.status.phase.value}{why}.",
                found=record.status.phase.value,
                allowed=", ".join(sorted(_USABLE)),
                hint=f"fireside up {record.name}" if record.desired is not Desired.RUNNING else None,
            )
        backend = self._backend(record.backend)
        stored = await backend.read_secrets(record.id)
        return Access(
            record=record,
            connect=await _dialled(backend, record, Role.CONNECT, GRPC),
            master=await _dialled(backend, record, Role.MASTER, RPC),
            token=stored.get(SecretName.CONNECT_TOKEN),
            rpc_secret=stored.get(SecretName.RPC),
            workspace=await backend.workspace(record.id, record.plan),
            environment=await backend.driver_environment(record.id, record.plan),
        )

    async def health(self) -> HealthReport:
        """Return whether the engine and what it depends on work."""
        dependencies = {"store": "ok", **dict.fromkeys(self._backends, "ok"), **self._supervisor.troubles}
        held = None
        orphans: tuple[str, ...] = ()
        try:
            await self._store.check()
            held = (await self._store.installation()).sweep_held
        except FiresideError as error:
            dependencies["store"] = error.message
        try:
            orphans = await self._sweeper.orphans()
        except FiresideError as error:
            dependencies["sweep"] = error.message
        return HealthReport(dependencies, held, orphans)

    async def purge_orphans(self) -> Sequence[str]:
        """End what runs under this installation's id but is in no record; allow sweeping from now on."""
        return await self._sweeper.purge()

    @property
    def busy(self) -> bool:
        """Whether a cluster runs, or is on its way to or from running: the server must not end by itself."""
        return self._roster.busy

    # -------------------------------------------------------------------------------------------- inside

    def _backend(self, name: str) -> Backend:
        return self._parts.backend(name)

    async def _read(self, owner: str, asked: Mapping[str, Any], mode: Mode) -> Wish:
        name = validate(asked).name
        return read(asked, await self._store.find(owner, name), mode)

    async def _create(self, owner: str, wish: Wish, *, start: bool) -> tuple[ClusterRecord, bool]:
        """Store a new cluster; nothing is made, and nothing stored, when its plan cannot work."""
        backend = self._backend(wish.spec.backend)
        proposal = await propose(wish, backend)
        cluster_id = secrets.token_hex(8)
        refuse_errors(await backend.preflight(cluster_id, proposal.plan), Refused)
        now = self._clock.now()
        record = ClusterRecord(
            id=cluster_id,
            owner=owner,
            name=wish.spec.name,
            backend=wish.spec.backend,
            spec=proposal.spec,
            asked=wish.asked,
            plan=proposal.plan,
            desired=Desired.RUNNING if start else Desired.STOPPED,
            status=ClusterStatus(since=now),
            created_at=now,
            changed_at=now,
        )
        record, new = await self._store.create(record)
        if new:
            await self._wished(record, EventKind.CREATED, f"{record.name} is created")
        return record, new

    async def _create_again(
        self, wish: Wish, mode: Mode, *, start: bool, expected_generation: int | None
    ) -> ClusterRecord:
        """Change or start the cluster that has the name of a wish, or return it as it is."""
        current = wish.current
        if current is None:
            raise NotFound(f"No cluster {wish.spec.name}.")
        self._not_deleted(current)
        if expected_generation is not None and current.generation != expected_generation:
            raise Conflict(
                f"Cluster {current.name} changed since its plan was shown: its generation is {current.generation}, "
                f"not {expected_generation}.",
                field="expected_generation",
                found=str(expected_generation),
                allowed=str(current.generation),
                hint="Look at the plan again.",
            )
        if mode == "refuse":
            refuse_difference(wish)
        if wish.differs:
            return await self._change(wish, start=start)
        if not start:
            return current
        current = await self._settled_after_reboot(current)
        if current.desired is Desired.RUNNING and not given_up(current):
            return current
        await self._preflight(current)
        wished = current.model_copy(update={"desired": Desired.RUNNING})
        return await self._replace(wished, current.generation, "Start asked for")

    async def _change(self, wish: Wish, *, start: bool) -> ClusterRecord:
        """Store another spec and its plan for a cluster that exists."""
        current = wish.current
        if current is None or not wish.differs:
            return current or await self._store.get(wish.spec.name)
        if start:
            current = await self._settled_after_reboot(current)
        proposal = await propose(wish, self._backend(current.backend))
        desired = Desired.RUNNING if start else current.desired
        update = {"spec": proposal.spec, "asked": wish.asked, "plan": proposal.plan, "desired": desired}
        wished = current.model_copy(update=update)
        await self._preflight(wished)
        fields = ", ".join(proposal.fields) or "nothing that nodes see"
        return await self._replace(wished, current.generation, f"Change asked for: {fields}")

    async def _preflight(self, record: ClusterRecord) -> None:
        if record.desired is Desired.RUNNING:
            refuse_errors(await self._backend(record.backend).preflight(record.id, record.plan), Refused)

    async def _settled_after_reboot(self, record: ClusterRecord) -> ClusterRecord:
        """Let the engine record first that the machine's restart ended a cluster, so that this wish comes after it."""
        if record.desired is not Desired.RUNNING or record.status.epoch is None:
            return record
        backend = self._backend(record.backend)
        seen = await within(self._clock, OBSERVE_SECONDS, f"looking at {record.name}", backend.observe(record.id))
        if seen.epoch == record.status.epoch:
            return record
        self._queue.add(record.id)
        what = f"waiting until the restart of the machine is taken in for {record.name}"
        return await within(self._clock, SETTLE_SECONDS, what, self._until_epoch(record.id, seen.epoch))

    async def _until_epoch(self, cluster_id: str, epoch: str) -> ClusterRecord:
        with self._broadcast.follow(cluster_id) as heard:
            while (record := await self._store.get(cluster_id)).status.epoch not in {None, epoch}:
                await heard.get()
            return record

    async def _replace(self, wished: ClusterRecord, expected_generation: int, message: str) -> ClusterRecord:
        wished = wished.model_copy(update={"changed_at": self._clock.now()})
        record = await self._store.replace(wished, expected_generation=expected_generation)
        await self._wished(record, EventKind.CHANGED, message)
        return record

    async def _wished(self, record: ClusterRecord, kind: EventKind, message: str) -> None:
        """Tell that a wish is stored, and have the cluster looked at."""
        self._roster.note(record)
        self._queue.add(record.id)
        try:
            events = await self._store.add_events(record.id, [(self._clock.now(), kind, None, message)])
        except NotFound:
            events = ()  # fulfilled and forgotten already
        self._broadcast.tell(record.id, [*events, Signal.CHANGED])

    async def _is_forgotten(self, cluster_id: str) -> bool:
        try:
            await self._store.get(cluster_id)
        except NotFound:
            return True
        return False

    async def _refuse_to_lose_data(self, record: ClusterRecord) -> None:
        data = await self._backend(record.backend).data_of(record.id)
        if not data:
            return
        said = ", ".join(f"{path} ({_size(size)})" for path, size in data)
        raise Conflict(
            f"Cluster {record.name} has data that a delete would take away: {said}.",
            field="purge",
            found="false",
            hint=f"To keep them: fireside down {record.name}. To delete them, too: fireside down {record.name} --purge",
        )

    async def _no_such(self, owner: str, ref: str) -> NotFound:
        names = [record.name for record in await self._store.list_clusters(owner)]
        return NotFound(
            f"There is no cluster {ref}.",
            field="name",
            found=ref,
            allowed=", ".join(names) or None,
            hint=None if names else "Make one: fireside up",
        )

    @staticmethod
    def _not_deleted(record: ClusterRecord) -> ClusterRecord:
        if record.desired is Desired.DELETED:
            raise Conflict(f"Cluster {record.name} is being deleted.", hint="Wait until it is gone, then make it anew.")
        return record


async def _dialled(backend: Backend, record: ClusterRecord, role: Role, port: str) -> Address | None:
    """Return where a role answers, or None when there is no such node or it is down just now."""
    if record.plan.group(role) is None:
        return None
    try:
        return await backend.dial(record.id, role.value, port)
    except Unavailable:
        return None


def _size(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB" if size >= 1024**2 else f"{size} bytes"
