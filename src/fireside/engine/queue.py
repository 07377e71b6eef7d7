"""The work queue: clusters that need a look.

A key that is added twice before it is taken is given out once; a key that is added while it is being worked on is
given out again afterwards, never at the same time. A delayed key counts as one wish for a look: the earliest wins.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque

from fireside.ports import Clock


class WorkQueue:
    """Keys, each given to one worker at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[str] = deque()
        self._queued: set[str] = set()
        self._taken: set[str] = set()
        self._again: set[str] = set()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._filled = asyncio.Event()
        self._rearmed = asyncio.Event()

    def add(self, key: str) -> None:
        """Ask for a look at once; it stands for a delayed one, too."""
        self._due.pop(key, None)
        if key in self._taken:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._waiting.append(key)
            self._filled.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Ask for a look in `seconds`, unless one is due earlier."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if key in self._queued or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if self._heap[0] == (due, key):
            self._rearmed.set()

    async def take(self) -> str:
        """Wait for a key; it is not given out again until `done`."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        key = self._waiting.popleft()
        self._queued.discard(key)
        self._taken.add(key)
        return key

    def done(self, key: str) -> None:
        """Give a key back; it is queued again when it was added meanwhile."""
        self._taken.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    async def keep_time(self) -> None:
        """Move delayed keys into the queue when they are due, until cancelled."""
        while True:
            self._rearmed.clear()
            wait = self._release_due()
            if wait is None:
                await self._rearmed.wait()
            else:
                await self._sleep(wait)

    def _release_due(self) -> float | None:
        """Queue what is due; return the seconds until the next, or None when nothing is delayed."""
        now = self._clock.monotonic()
        while self._heap:
            due, key = self._heap[0]
            if self._due.get(key) == due and due > now:
                return due - now
            heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key)
        return None

    async def _sleep(self, seconds: float) -> None:
        """Wait for `seconds`, or until something earlier is added."""
        alarm = asyncio.create_task(self._clock.sleep(seconds), name="queue alarm")
        earlier = asyncio.create_task(self._rearmed.wait(), name="queue earlier")
        try:
            await asyncio.wait({alarm, earlier}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            earlier.cancel()
