"""Time limits follow the injected clock, and a call that hangs does not hang its caller."""

from __future__ import annotations

import asyncio

import pytest

from fireside.engine.clock import SystemClock, within
from fireside.errors import TimedOut, Unavailable
from fireside.testing.clock import FakeClock


async def test_a_call_within_its_limit_gives_its_result_or_its_error() -> None:
    clock = FakeClock()

    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise Unavailable("no")

    assert await within(clock, 1, "asking", answer()) == 7
    with pytest.raises(Unavailable):
        await within(clock, 1, "asking", fail())


async def test_a_call_that_hangs_is_cancelled_and_named() -> None:
    clock = FakeClock()
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimedOut, match="asking worker-1: no end after 30 s"):
        await clock.run(within(clock, 30, "asking worker-1", hang()))
    assert cancelled.is_set()
    assert clock.monotonic() == 30


async def test_cancelling_the_caller_cancels_the_call() -> None:
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(within(SystemClock(), 60, "hanging", hang()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def test_the_fake_clock_wakes_sleepers_in_order_and_jumps_wake_nobody() -> None:
    clock = FakeClock()
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3.0, 1.0, 2.0)]
    await clock.advance(0)
    clock.jump(10_000)
    await asyncio.sleep(0)
    assert woken == []
    await clock.advance(2.5)
    assert woken == [1.0, 2.0]
    for task in tasks:
        task.cancel()
