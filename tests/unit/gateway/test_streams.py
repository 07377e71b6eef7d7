"""Streams of JSON lines: alive while quiet, ended by either side, errors told in the last line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

from fireside import wire
from fireside.errors import Refused
from fireside.gateway.streams import lines


def said(text: str) -> wire.LogView:
    return wire.LogView(node="master", source="daemon", text=text)


def body(items: AsyncIterator[str], closing: asyncio.Event, keep_alive: float = 60.0) -> AsyncGenerator[bytes, None]:
    iterator = lines(items, said, closing, keep_alive=keep_alive).body_iterator
    assert isinstance(iterator, AsyncGenerator)
    return iterator


class Source:
    """Yields what it is given, then waits for ever; knows whether it was closed."""

    def __init__(self, *items: str) -> None:
        self.items = items
        self.closed = asyncio.Event()

    async def __call__(self) -> AsyncIterator[str]:
        try:
            for item in self.items:
                yield item
            await asyncio.Event().wait()
        finally:
            self.closed.set()


async def finite(*items: str) -> AsyncIterator[str]:
    for item in items:
        yield item


async def test_items_are_told_one_a_line() -> None:
    found = [line async for line in body(finite("a", "b\nc"), asyncio.Event())]
    assert [json.loads(line)["text"] for line in found] == ["a", "b\nc"]
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in found)


async def test_a_quiet_stream_sends_blank_lines() -> None:
    source = Source("first")
    stream = body(source(), asyncio.Event(), keep_alive=0.001)
    assert json.loads(await anext(stream))["text"] == "first"
    assert await anext(stream) == b"\n"
    assert await anext(stream) == b"\n"
    await stream.aclose()


async def test_a_client_that_leaves_ends_the_source() -> None:
    source = Source("first")
    stream = body(source(), asyncio.Event())
    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(source.closed.wait(), 5)


async def test_a_reader_that_is_cancelled_ends_the_source() -> None:
    source = Source()
    stream = body(source(), asyncio.Event())
    reader = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await asyncio.wait_for(source.closed.wait(), 5)


async def test_a_server_that_ends_says_so() -> None:
    closing = asyncio.Event()
    source = Source("first")
    stream = body(source(), closing)
    await anext(stream)
    closing.set()
    rest = [line async for line in stream]
    assert [json.loads(line)["problem"]["code"] for line in rest] == ["unavailable"]
    assert source.closed.is_set()


async def test_an_error_on_the_way_is_the_last_line() -> None:
    async def failing() -> AsyncIterator[str]:
        yield "first"
        raise Refused("the disk is full")

    found = [json.loads(line) async for line in body(failing(), asyncio.Event())]
    assert found[0]["text"] == "first"
    assert found[1]["problem"]["message"] == "the disk is full"
