"""The loop: one engine acts for a store, looks at what has changed, and never ends because of one cluster.

Everything runs in one TaskGroup: the lease's renewal, an observer and a listener for each backend, the queue's timer,
and the workers that look at clusters. One observation a poll serves all clusters of a backend; only those whose
nodes changed are looked at, so idle clusters cost a comparison. Hints bring a look forward, nothing depends on them.

A second engine on the same store waits until it gets the lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fireside.engine.clock import within
from fireside.engine.queue import WorkQueue
from fireside.engine.reconciler import LONGEST_PAUSE, OBSERVE_SECONDS, Parts, Reconciler
from fireside.engine.roster import Roster
from fireside.engine.sweep import Sweeper
from fireside.errors import FiresideError, InternalError, NotFound
from fireside.ports import Backend, Lease, NodeObservation, Observation

log = structlog.get_logger(__name__)

LEASE = "engine"
LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
RESYNC_SECONDS = 60.0
"""Between two readings of all records, which find wishes that were written by another process."""
WORKERS = 32
"""Clusters looked at at the same time; most of a look is waiting."""
GOODBYE_SECONDS = 2.0


class LeaseLost(Exception):
    """Another engine acts for the store."""


class Supervisor:
    """Runs the engine."""

    def __init__(  # noqa: PLR0913 - the parts of one loop, put together in one place
        self,
        parts: Parts,
        *,
        queue: WorkQueue,
        roster: Roster,
        reconciler: Reconciler,
        sweeper: Sweeper,
        holder: str,
        poll: float,
    ) -> None:
        self._parts = parts
        self._queue = queue
        self._roster = roster
        self._reconciler = reconciler
        self._sweeper = sweeper
        self._holder = holder
        self._poll = poll
        self._lease: Lease | None = None
        self._seen: dict[str, dict[str, tuple[NodeObservation, ...]]] = {}
        self._picture: dict[str, tuple[str, bool]] = {}
        self.troubles: dict[str, str] = {}
        """Backend or `store` → what is wrong with it now."""

    async def run(self) -> None:
        """Act whenever this engine has the lease, until cancelled. Nodes keep running when it ends."""
        try:
            while True:
                await self._wait_for_lease()
                try:
                    await self._act()
                except* LeaseLost:
                    log.warning("another engine acts for this store", event_name="engine.lease_lost")
                self._reconciler.restart_timers()
        finally:
            await self._give_back()

    async def _act(self) -> None:
        self._roster.clear()  # every cluster is looked at anew: another engine may have acted meanwhile
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew(), name="engine lease")
            tasks.create_task(self._queue.keep_time(), name="engine timer")
            tasks.create_task(self._repeat("store", self._resync, RESYNC_SECONDS), name="engine resync")
            for backend in self._parts.backends.values():
                tasks.create_task(self._observe_for_ever(backend), name=f"engine observer {backend.name}")
                tasks.create_task(self._listen(backend), name=f"engine listener {backend.name}")
            for number in range(WORKERS):
                tasks.create_task(self._work(), name=f"engine worker {number}")

    # ---------------------------------------------------------------------------------------------- lease

    async def _wait_for_lease(self) -> None:
        while not await self._take_lease():
            await self._parts.clock.sleep(RENEW_SECONDS)

    async def _take_lease(self) -> bool:
        try:
            lease = await self._parts.store.acquire(LEASE, self._holder, self._parts.clock.now(), LEASE_SECONDS)
        except FiresideError as error:
            self._troubled("store", error.message)
            return False
        self._lease = lease
        self.troubles.pop("store", None)
        return lease is not None

    async def _renew(self) -> None:
        """Keep the lease; a store that cannot be reached for a while does not end it, a new holder does."""
        while True:
            await self._parts.clock.sleep(RENEW_SECONDS)
            token = self._lease.token if self._lease else None
            renewed = await self._take_lease()
            if self._lease is None or (renewed and token is not None and self._lease.token > token + 1):
                raise LeaseLost

    async def _give_back(self) -> None:
        """Release the lease, so that the next engine need not wait; bounded, and shielded from cancellation."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        goodbye = asyncio.ensure_future(self._parts.store.release(lease))
        try:
            await asyncio.wait_for(asyncio.shield(goodbye), GOODBYE_SECONDS)
        except (TimeoutError, FiresideError) as error:
            log.warning("could not give the lease back", event_name="engine.goodbye", error=str(error))

    # ------------------------------------------------------------------------------------------ observing

    async def _repeat(self, what: str, action: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Do something again and again; what goes wrong is reported, and tried again sooner."""
        while True:
            try:
                await action()
                self.troubles.pop(what, None)
                pause = seconds
            except (FiresideError, OSError) as error:
                self._troubled(what, str(error))
                pause = min(seconds, 2.0)
            await self._parts.clock.sleep(pause)

    def _troubled(self, what: str, message: str) -> None:
        if self.troubles.get(what) != message:
            log.error("a part of the engine does not work", event_name="engine.trouble", part=what, error=message)
        self.troubles[what] = message

    async def _resync(self) -> None:
        for cluster_id in self._roster.replace(await self._parts.store.list_clusters()):
            self._queue.add(cluster_id)

    async def _observe_for_ever(self, backend: Backend) -> None:
        async def once() -> None:
            await self._observe(backend)

        await self._repeat(backend.name, once, self._poll)

    async def _observe(self, backend: Backend) -> None:
        what = f"looking at all nodes of {backend.name}"
        seen = await within(self._parts.clock, OBSERVE_SECONDS, what, backend.observe())
        for cluster_id in self._changed(backend.name, seen):
            self._queue.add(cluster_id)
        if self._roster.read:
            await self._sweeper.consider(backend, seen)

    def _changed(self, name: str, seen: Observation) -> set[str]:
        """Return the clusters whose nodes differ from the last observation."""
        nodes: dict[str, list[NodeObservation]] = {}
        for node in seen.nodes:
            nodes.setdefault(node.cluster_id, []).append(node)
        new = {cluster_id: tuple(sorted(each, key=_by_name)) for cluster_id, each in nodes.items()}
        old = self._seen.get(name, {})
        picture = (seen.epoch, seen.complete)
        same = self._picture.get(name, picture) == picture
        self._seen[name], self._picture[name] = new, picture
        if not same:
            return set(self._roster.of_backend(name))
        changed = {cluster_id for cluster_id in old.keys() | new.keys() if old.get(cluster_id) != new.get(cluster_id)}
        return changed - self._roster.unknown(changed)

    async def _listen(self, backend: Backend) -> None:
        async def once() -> None:
            async for hint in backend.watch():
                for cluster_id in [hint.cluster_id] if hint.cluster_id else self._roster.of_backend(backend.name):
                    if not self._roster.unknown([cluster_id]):
                        self._queue.add(cluster_id)

        await self._repeat(f"{backend.name} hints", once, self._poll)

    # -------------------------------------------------------------------------------------------- working

    async def _work(self) -> None:
        while True:
            cluster_id = await self._queue.take()
            try:
                wake = await self._tend(cluster_id)
            finally:
                self._queue.done(cluster_id)
            if wake is not None:
                self._queue.add_after(cluster_id, wake)

    async def _tend(self, cluster_id: str) -> float | None:
        """Look at a cluster; whatever goes wrong with it stays its own matter."""
        try:
            return await self._reconciler.look_at(cluster_id, self._lease)
        except FiresideError as error:
            return await self._record_trouble(cluster_id, error)
        except Exception as error:
            log.exception("a bug while looking at a cluster", event_name="engine.bug", cluster=cluster_id)
            bug = InternalError(f"A bug in Fireside: {type(error).__name__}: {error}", hint="please report it")
            return await self._record_trouble(cluster_id, bug)

    async def _record_trouble(self, cluster_id: str, error: FiresideError) -> float | None:
        log.warning("a look at a cluster failed", event_name="engine.look_failed", cluster=cluster_id, error=str(error))
        try:
            return await self._reconciler.trouble(cluster_id, error, self._lease)
        except NotFound:
            return 0.0  # gone meanwhile: the next look says so to whoever follows it
        except FiresideError as worse:
            self._troubled("store", worse.message)
            return LONGEST_PAUSE / 10


def _by_name(node: NodeObservation) -> str:
    return node.name
