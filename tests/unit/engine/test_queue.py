"""The work queue: merged, never one key twice at once, delayed keys on the injected clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fireside.engine.queue import WorkQueue
from fireside.testing.clock import FakeClock, settle


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def queue(clock: FakeClock) -> AsyncIterator[WorkQueue]:
    made = WorkQueue(clock)
    timer = asyncio.create_task(made.keep_time())
    yield made
    timer.cancel()


async def taken(queue: WorkQueue) -> list[str]:
    """Take and give back all that is waiting now."""
    keys: list[str] = []
    while True:
        task = asyncio.create_task(queue.take())
        await settle()
        if not task.done():
            task.cancel()
            return keys
        keys.append(task.result())
        queue.done(keys[-1])


async def test_a_key_that_is_added_twice_is_given_out_once(queue: WorkQueue) -> None:
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert await taken(queue) == ["a", "b"]


async def test_a_key_that_is_worked_on_is_not_given_out_and_comes_again_afterwards(queue: WorkQueue) -> None:
    queue.add("a")
    assert await queue.take() == "a"
    queue.add("a")
    queue.add("a")
    assert await taken(queue) == []
    queue.done("a")
    assert await taken(queue) == ["a"]


async def test_a_delayed_key_comes_when_it_is_due(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after("a", 10)
    await clock.advance(9.9)
    assert await taken(queue) == []
    await clock.advance(0.2)
    assert await taken(queue) == ["a"]


async def test_the_earliest_of_several_delays_wins_and_counts_once(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 20)
    await clock.advance(4)
    assert await taken(queue) == ["a"]
    await clock.advance(60)
    assert await taken(queue) == []


async def test_a_look_at_once_stands_for_a_delayed_one(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add_after("a", 5)
    queue.add("a")
    assert await taken(queue) == ["a"]
    await clock.advance(10)
    assert await taken(queue) == []


async def test_delays_of_many_keys_come_in_their_order(queue: WorkQueue, clock: FakeClock) -> None:
    for seconds in (5, 1, 3, 2, 4):
        queue.add_after(f"after {seconds}", seconds)
    await clock.advance(6)
    assert await taken(queue) == [f"after {seconds}" for seconds in range(1, 6)]
