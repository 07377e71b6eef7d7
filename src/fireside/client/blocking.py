"""The blocking client: every operation of the table as a method that returns its answer.

It needs no event loop and is safe inside one (a notebook cell) and among threads: it keeps no connection, each call
opens its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec

from fireside.client import operations, transport
from fireside.client.operations import A, Call, Stream

P = ParamSpec("P")


def _method(operation: Callable[P, Call[A]]) -> Callable[Concatenate[Client, P], A]:
    @functools.wraps(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> A:
        return self.send(operation(*args, **kwargs))

    return operations.signed(method, operation)


def _stream(operation: Callable[P, Stream[A]]) -> Callable[Concatenate[Client, P], Iterator[A]]:
    @functools.wraps(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[A]:
        return self.stream(operation(*args, **kwargs))

    return operations.signed(method, operation)


class Client:
    """Asks the server that listens at `socket`. ``fireside.client.launch.open_client`` finds or starts it.

    `starter` brings a server back when none listens any more (it ends by itself when it has nothing to do); without
    one that is an error. A stream that breaks off is not begun again.
    """

    def __init__(self, socket: Path, starter: Callable[[], object] | None = None) -> None:
        self.socket = socket
        self._starter = starter

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

    def send(self, call: Call[A]) -> A:
        """Send a request and return its answer; raise the error that it carries, or that of not getting one."""
        try:
            return transport.send(self.socket, call)
        except transport.NoServer:
            if self._starter is None:
                raise
            self._starter()
        return transport.send(self.socket, call)

    def stream(self, call: Stream[A]) -> Iterator[A]:
        """Send a request and yield its items until the server ends it or the caller closes the iterator."""
        try:
            yield from transport.stream(self.socket, call)
        except transport.NoServer:  # raised before the first item only
            if self._starter is None:
                raise
            self._starter()
        else:
            return
        yield from transport.stream(self.socket, call)
