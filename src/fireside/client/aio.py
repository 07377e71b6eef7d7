"""The async client: the same operations as the blocking one, awaited.

::

    async with AsyncClient() as client:
        cluster = await client.create({"workers": 2})
        async for event in client.events(cluster.name, follow=True):
            print(event.message)
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Self

import httpx

from fireside.client import launch, operations, transport
from fireside.client.operations import A, Call, Stream
from fireside.client.unixsocket import CONNECT_TIMEOUT
from fireside.errors import InternalError
from fireside.settings import Settings, load

P = ParamSpec("P")


def _method(operation: Callable[P, Call[A]]) -> Callable[Concatenate[AsyncClient, P], Awaitable[A]]:
    @functools.wraps(operation)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> A:
        return await self.send(operation(*args, **kwargs))

    return operations.signed(method, operation)


def _stream(operation: Callable[P, Stream[A]]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[A]]:
    @functools.wraps(operation)
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[A]:
        return self.stream(operation(*args, **kwargs))

    return operations.signed(method, operation)


class AsyncClient:
    """Asks this user's server, which is started on entering when none runs; or the one at `socket`.

    An async context manager. Methods return wire forms and raise ``fireside.errors``.
    """

    def __init__(self, socket: Path | None = None, *, settings: Settings | None = None) -> None:
        self._socket = socket
        self._settings = settings
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Find or start the server."""
        if self._socket is None:
            self._socket = await asyncio.to_thread(launch.ensure_server, self._settings or load())
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(self._socket)), base_url="http://localhost"
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections; the server goes on."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    version = _method(operations.version)
    health = _method(operations.health)
    stop_server = _method(operations.stop_server)
    purge_orphans = _method(operations.purge_orphans)
    plan = _method(operations.plan)
    create = _method(operations.create)
    list_clusters = _method(operations.list_clusters)
    get = _method(operations.get)
    change = _method(operations.change)
    scale = _method(operations.scale)
    restart = _method(operations.restart)
    stop = _method(operations.stop)
    delete = _method(operations.delete)
    data = _method(operations.data)
    connection = _method(operations.connection)
    wait = _method(operations.wait)
    events = _stream(operations.events)
    logs = _stream(operations.logs)

    async def send(self, call: Call[A]) -> A:
        """Send a request and return its answer; raise the error that it carries, or that of not getting one."""
        what = transport.describe(call)
        try:
            response = await self._open.send(self._request(call))
        except httpx.HTTPError as error:
            raise transport.translate(error, what, self._socket) from error
        return transport.read(response.status_code, response.content, call.answer, what)

    async def stream(self, call: Stream[A]) -> AsyncIterator[A]:
        """Send a request and yield its items until the server ends it or the caller closes the iterator."""
        what = transport.describe(call)
        try:
            response = await self._open.send(self._request(call), stream=True)
            async with aclosing(response):
                if response.status_code != 200:
                    raise transport.failure(response.status_code, await response.aread(), what)
                async for line in response.aiter_lines():
                    item = transport.read_line(line.encode(), call.answer, what)
                    if item is not None:
                        yield item
        except httpx.HTTPError as error:
            raise transport.translate(error, what, self._socket) from error

    @property
    def _open(self) -> httpx.AsyncClient:
        if self._http is None:
            raise InternalError("this client is not open: use `async with AsyncClient() as client:`")
        return self._http

    def _request(self, call: Call[A] | Stream[A]) -> httpx.Request:
        limits = httpx.Timeout(call.patience, connect=CONNECT_TIMEOUT)
        return self._open.build_request(
            call.method, call.target, content=call.content, headers=transport.HEADERS, timeout=limits
        )
