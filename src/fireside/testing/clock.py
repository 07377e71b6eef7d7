"""Virtual time: a clock that moves when it is told to, or when everybody waits for it.

::

    clock = FakeClock()
    engine = asyncio.create_task(Engine(..., clock=clock, ...).run())
    await clock.run_until(lambda: backend.machine.running("demo"))
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

from fireside.errors import TimedOut

T = TypeVar("T")

_START = datetime(2026, 1, 1, tzinfo=UTC)
_TURNS = 60
"""Turns of the event loop after which everybody who can go on has gone on: longer than any chain of awaits here."""


class FakeClock:
    """A `Clock` whose two times are set apart: `advance` moves both, `jump` moves the wall clock alone."""

    def __init__(self, start: datetime = _START) -> None:
        self._wall = start
        self._ticks = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return self._wall

    def monotonic(self) -> float:
        """Return the seconds that have been advanced."""
        return self._ticks

    async def sleep(self, seconds: float) -> None:
        """Wait until the time was advanced by `seconds`; nothing and less only gives way to others."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._ticks + seconds, next(self._numbers), done))
        await done

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, as an administrator or a time server would; nobody wakes."""
        self._wall += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Move time by `seconds`, waking sleepers in order and letting each go on before the next wakes."""
        end = self._ticks + seconds
        await settle()
        while (due := self._next()) is not None and due <= end:
            self._move(due)
            await settle()
        self._move(end)
        await settle()

    async def run_until(self, reached: Callable[[], bool], *, limit: float = 3600.0) -> None:
        """Move time from sleeper to sleeper until `reached()`.

        Raises TimedOut when that takes more than `limit` virtual seconds, or when nobody sleeps and it is not reached.
        """
        end = self._ticks + limit
        await settle(reached)
        while not reached():
            due = self._next()
            if due is None or due > end:
                raise TimedOut(f"not reached after {limit:g} virtual seconds, at {self._ticks:g}")
            self._move(due)
            await settle(reached)

    async def run(self, work: Awaitable[T], *, limit: float = 3600.0) -> T:
        """Return what `work` returns, moving time whenever everybody waits."""
        task = asyncio.ensure_future(work)
        try:
            await self.run_until(task.done, limit=limit)
            return task.result()
        finally:
            task.cancel()

    def _next(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _move(self, ticks: float) -> None:
        self._wall += timedelta(seconds=ticks - self._ticks)
        self._ticks = ticks
        while self._sleepers and self._sleepers[0][0] <= ticks:
            done = heapq.heappop(self._sleepers)[2]
            if not done.done():
                done.set_result(None)


async def settle(reached: Callable[[], bool] | None = None) -> None:
    """Let everybody who can go on do so; return early when `reached()`."""
    for _ in range(_TURNS):
        if reached is not None and reached():
            return
        await asyncio.sleep(0)
