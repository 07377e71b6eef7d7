"""Any store, with a crash of the engine at the point of your choice.

A point is a moment at which a process that is killed leaves something behind: a step is recorded and not taken; taken
and its end not recorded; recorded as ended and not followed up; likewise statuses, events and wishes. At the chosen
point the store does what is durable by then and the caller never hears of it; every later call fails, so that what
still runs of the "dead" engine cannot write any more. Kill the engine's task when `crashed` is set, and start another
one on the inner store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import TypeVar

from fireside.errors import Unavailable
from fireside.model.state import ClusterStatus, EventKind
from fireside.ports import ClusterRecord, Event, Installation, Lease, Step, StepKind, Store

T = TypeVar("T")


class CrashingStore:
    """Passes every call on to another store, until the chosen point is reached."""

    def __init__(self, inner: Store, crash_at: int | None = None) -> None:
        self._inner = inner
        self._crash_at = crash_at
        self.points: list[str] = []
        """The points that were passed, by name; their number is the number of places to crash at."""
        self.crashed = asyncio.Event()

    async def installation(self) -> Installation:
        """Pass on."""
        return await self._alive(self._inner.installation())

    async def release_sweep(self) -> None:
        """Pass on."""
        await self._alive(self._inner.release_sweep())

    async def create(self, record: ClusterRecord, *, idempotency_key: str | None = None) -> tuple[ClusterRecord, bool]:
        """Pass on; a point after it."""
        result = await self._alive(self._inner.create(record, idempotency_key=idempotency_key))
        await self._point("created")
        return result

    async def get(self, cluster_id: str) -> ClusterRecord:
        """Pass on."""
        return await self._alive(self._inner.get(cluster_id))

    async def find(self, owner: str, name: str) -> ClusterRecord | None:
        """Pass on."""
        return await self._alive(self._inner.find(owner, name))

    async def list_clusters(self, owner: str | None = None) -> Sequence[ClusterRecord]:
        """Pass on."""
        return await self._alive(self._inner.list_clusters(owner))

    async def replace(self, record: ClusterRecord, *, expected_generation: int) -> ClusterRecord:
        """Pass on; a point after it."""
        result = await self._alive(self._inner.replace(record, expected_generation=expected_generation))
        await self._point("replaced")
        return result

    async def set_status(self, cluster_id: str, status: ClusterStatus, *, fence: Lease | None = None) -> None:
        """Pass on; a point after it."""
        await self._alive(self._inner.set_status(cluster_id, status, fence=fence))
        await self._point(f"status {status.phase.value}")

    async def forget(self, cluster_id: str) -> None:
        """Pass on; a point after it."""
        await self._alive(self._inner.forget(cluster_id))
        await self._point("forgotten")

    async def add_events(
        self, cluster_id: str, events: Sequence[tuple[datetime, EventKind, str | None, str]]
    ) -> Sequence[Event]:
        """Pass on; a point after it."""
        added = await self._alive(self._inner.add_events(cluster_id, events))
        await self._point(f"events {', '.join(event.kind.value for event in added)}")
        return added

    async def events(self, cluster_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Pass on."""
        return await self._alive(self._inner.events(cluster_id, after=after, limit=limit))

    async def begin_step(self, cluster_id: str, generation: int, kind: StepKind, subject: str, at: datetime) -> Step:
        """Pass on; a point after it: the step is recorded and not taken."""
        step = await self._alive(self._inner.begin_step(cluster_id, generation, kind, subject, at))
        await self._point(f"{kind.value} recorded")
        return step

    async def end_step(self, step_id: int, at: datetime, outcome: str) -> None:
        """Pass on; a point before it (the step is taken, its end is not recorded) and one after it."""
        await self._point("step taken")
        await self._alive(self._inner.end_step(step_id, at, outcome))
        await self._point("step ended")

    async def open_steps(self, cluster_id: str) -> Sequence[Step]:
        """Pass on."""
        return await self._alive(self._inner.open_steps(cluster_id))

    async def acquire(self, name: str, holder: str, now: datetime, seconds: float) -> Lease | None:
        """Pass on."""
        return await self._alive(self._inner.acquire(name, holder, now, seconds))

    async def release(self, lease: Lease) -> None:
        """Pass on."""
        await self._alive(self._inner.release(lease))

    async def check(self) -> None:
        """Pass on."""
        await self._alive(self._inner.check())

    async def close(self) -> None:
        """Leave the inner store open: the next engine uses it."""

    async def _alive(self, call: Awaitable[T]) -> T:
        if self.crashed.is_set():
            if asyncio.iscoroutine(call):
                call.close()
            raise Unavailable("this engine has crashed on purpose")
        return await call

    async def _point(self, name: str) -> None:
        self.points.append(name)
        if self._crash_at == len(self.points) - 1:
            self.crashed.set()
            await asyncio.Event().wait()
