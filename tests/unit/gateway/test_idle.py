"""A server ends by itself when there is nothing to do, and never while there is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from starlette.types import Message, Receive, Scope, Send

from fireside.gateway.idle import Traffic, until_idle


class HandClock:
    """A clock that a test moves: sleeping moves it at once."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def nothing() -> Message:
    return {}


async def drop(message: Message) -> None:
    return


async def test_it_ends_after_the_limit_without_requests_and_clusters() -> None:
    clock = HandClock()
    await until_idle(Traffic(silent, clock), lambda: False, clock, 600)
    assert 1600 <= clock.seconds <= 1661


async def test_a_running_cluster_keeps_it() -> None:
    clock = HandClock()
    await until_idle(Traffic(silent, clock), lambda: clock.seconds < 5000, clock, 600)
    assert clock.seconds >= 5600 - 60


async def test_a_request_begins_the_time_anew() -> None:
    clock = HandClock()
    traffic = Traffic(silent, clock)
    clock.seconds += 500
    await traffic({"type": "http"}, nothing, drop)
    await until_idle(traffic, lambda: False, clock, 600)
    assert clock.seconds >= 2100


async def test_an_open_request_keeps_it() -> None:
    clock = HandClock()
    release = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()

    traffic = Traffic(slow, clock)
    request = asyncio.ensure_future(traffic({"type": "http"}, nothing, drop))
    idle = asyncio.ensure_future(until_idle(traffic, lambda: False, clock, 600))
    while clock.seconds < 10_000:  # noqa: ASYNC110 - the clock is ours: this gives the others their turns
        await asyncio.sleep(0)
    assert not idle.done()
    release.set()
    await request
    await idle
    assert clock.seconds >= 10_600
