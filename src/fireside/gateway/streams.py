"""Answers that go on: one JSON object a line (`application/x-ndjson`).

While nothing happens a blank line is sent now and then, so that either side notices when the other has gone. An error
after the first line is a last line of the form ``{"problem": …}``. A client that leaves ends its task at once; a server
that ends says so in every stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

from fastapi.responses import StreamingResponse

from fireside import wire
from fireside.errors import FiresideError, Unavailable

T = TypeVar("T")
KEEP_ALIVE = 10.0
"""Seconds without an item after which a blank line is sent."""


class Lines(StreamingResponse):
    """A stream of JSON lines."""

    media_type = "application/x-ndjson"


def lines(
    items: AsyncIterator[T], view: Callable[[T], wire.Form], closing: asyncio.Event, *, keep_alive: float = KEEP_ALIVE
) -> Lines:
    """Answer with `items`, one a line, until they end or `closing` is set."""
    return Lines(_encoded(items, view, closing, keep_alive), headers={"Cache-Control": "no-store"})


async def _encoded(
    items: AsyncIterator[T], view: Callable[[T], wire.Form], closing: asyncio.Event, keep_alive: float
) -> AsyncIterator[bytes]:
    try:
        async with aclosing(_paced(items, closing, keep_alive)) as paced:
            async for item in paced:
                yield b"\n" if item is None else view(item).model_dump_json().encode() + b"\n"
    except FiresideError as error:
        problem = wire.problem_of(error).model_dump_json()
        yield f'{{"problem":{problem}}}\n'.encode()


async def _paced(items: AsyncIterator[T], closing: asyncio.Event, keep_alive: float) -> AsyncGenerator[T | None, None]:
    """Yield the items, and None whenever none came for `keep_alive` seconds. Raises Unavailable when closing."""
    closed = asyncio.create_task(closing.wait(), name="stream-closing")
    upcoming: asyncio.Task[T] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.create_task(_next(items), name="stream-next")
            await asyncio.wait({upcoming, closed}, timeout=keep_alive, return_when=asyncio.FIRST_COMPLETED)
            if upcoming.done():
                try:
                    item = upcoming.result()
                except StopAsyncIteration:
                    return
                upcoming = None
                yield item
            elif closed.done():
                raise Unavailable("the server ends", hint="ask again; a new server starts by itself")
            else:
                yield None
    finally:
        await _end(items, closed, upcoming)


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


async def _end(items: AsyncIterator[T], *tasks: asyncio.Task[object] | asyncio.Task[T] | None) -> None:
    for task in tasks:
        if task is not None:
            task.cancel()
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()
