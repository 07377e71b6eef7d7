"""Time: the system's clock, and time limits that follow whatever clock is injected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from fireside.errors import TimedOut
from fireside.ports import Clock

T = TypeVar("T")

_LAST_WORDS = 1.0  # real seconds that a cancelled call has for its clean-up


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC. It may jump."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def within(clock: Clock, seconds: float, what: str, call: Coroutine[Any, Any, T]) -> T:
    """Return what `call` returns; after `seconds` on `clock` cancel it and raise TimedOut naming `what`.

    `asyncio.timeout` would follow the event loop's time, which an injected clock does not move. A call that
    does not heed its cancellation is left behind: a backend that hangs must not hang the engine.
    """
    task = asyncio.create_task(call, name=what)
    alarm = asyncio.create_task(clock.sleep(seconds), name=f"limit of {what}")
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimedOut(f"{what}: no end after {seconds:g} s")
    finally:
        alarm.cancel()
        if not task.done():
            task.cancel()
            task.add_done_callback(_heard)
            await asyncio.wait({task}, timeout=_LAST_WORDS)


def _heard(task: asyncio.Task[Any]) -> None:
    """Look at how a call that was given up ended, so that asyncio does not report it as overlooked."""
    if not task.cancelled():
        task.exception()
