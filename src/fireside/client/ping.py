"""The way to a cluster hop by hop: name, port, gRPC, session, first rows. Each timed; the failing one named (CLI-06).

:func:`ping` yields each hop as soon as it is known, and stops at the first that fails: what lies behind it cannot be
judged.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fireside.client import session as sessions
from fireside.client.smoke import query_errors, time_limit
from fireside.errors import FiresideError, Refused, TimedOut, Unavailable, WorldError

if TYPE_CHECKING:
    from fireside.wire import Connection


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the way."""

    name: str
    seconds: float
    detail: str
    """What answered; or what went wrong."""
    error: FiresideError | None = None

    @property
    def ok(self) -> bool:
        """Whether the hop worked."""
        return self.error is None


def ping(connection: Connection, *, timeout: float = 30.0) -> Iterator[Hop]:
    """Yield the hops to a cluster's first rows; the last one is the failing one, if any.

    `timeout` is in seconds and bounds each hop. Raises Unsupported when the cluster has no Connect server.
    """
    host, port = _host_and_port(sessions.target_of(connection))
    way = _Way(connection, host, port, timeout)
    hops: tuple[tuple[str, Callable[[], str]], ...] = (
        ("DNS", way.resolve),
        ("TCP", way.connect),
        ("gRPC", way.greet),
        ("session", way.open),
        ("first rows", way.rows),
    )
    try:
        for name, step in hops:
            hop = _timed(name, step)
            yield hop
            if not hop.ok:
                return
    finally:
        way.close()


def _timed(name: str, step: Callable[[], str]) -> Hop:
    started = time.perf_counter()
    try:
        detail = step()
    except FiresideError as error:
        return Hop(name, time.perf_counter() - started, error.message, error)
    return Hop(name, time.perf_counter() - started, detail)


def _host_and_port(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)


class _Way:
    """The steps, each building on the one before."""

    def __init__(self, connection: Connection, host: str, port: int, timeout: float) -> None:
        self._connection = connection
        self._host = host
        self._port = port
        self._timeout = timeout
        self._session: Any = None

    def resolve(self) -> str:
        """Find the addresses of the host's name."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise Unavailable(
                f"the name {self._host!r} has no address: {error.strerror}",
                found=self._host,
                hint="check the name and this machine's resolver (/etc/hosts, /etc/resolv.conf)",
            ) from error
        return ", ".join(dict.fromkeys(str(info[4][0]) for info in found))

    def connect(self) -> str:
        """Open the port."""
        where = f"{self._host}:{self._port}"
        try:
            with socket.create_connection((self._host, self._port), timeout=self._timeout) as connected:
                peer = connected.getpeername()
        except TimeoutError as error:
            raise TimedOut(
                f"{where} did not answer within {self._timeout:g}s",
                hint="a firewall may drop packets on the way; on this machine: "
                f"fireside status {self._connection.name}",
            ) from error
        except OSError as error:
            raise Unavailable(
                f"nothing listens at {where}: {error.strerror or error}", hint=self._look("connect")
            ) from error
        return f"{peer[0]}:{peer[1]}"

    def greet(self) -> str:
        """Do a Spark Connect handshake and compare versions."""
        server = sessions.greet(self._connection, timeout=self._timeout)
        return f"Spark {server}, client {sessions.client_version(server)}"

    def open(self) -> str:
        """Open a session."""
        with _translated(self._connection, self._timeout, "a session did not open"):
            self._session = sessions.start_session(self._connection, app="fireside ping")
        return f"session {self._session.session_id}"

    def rows(self) -> str:
        """Count ten rows."""
        with (
            _translated(self._connection, self._timeout, "the first rows did not come"),
            time_limit(self._session, self._timeout),
        ):
            count = self._session.range(10).count()
        if count != 10:
            raise WorldError(f"range(10).count() is {count}, not 10", hint=self._look("connect"))
        return f"range(10).count() = {count}"

    def close(self) -> None:
        """End the session, if one was opened."""
        if self._session is not None:
            with _translated(self._connection, self._timeout, "the session did not close"):
                self._session.stop()

    def _look(self, node: str) -> str:
        name = self._connection.name
        return f"fireside status {name}; fireside logs {name} {node} --tail 50"


class _translated:  # noqa: N801 - a context manager that reads as a phrase
    """Turn errors of pyspark and gRPC into ours, with what was waited for."""

    def __init__(self, connection: Connection, timeout: float, what: str) -> None:
        self._connection = connection
        self._timeout = timeout
        self._what = what
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, query_errors()):
            return
        name = self._connection.name
        hint = f"fireside status {name} shows workers and executors; fireside logs {name} connect --tail 50"
        if time.perf_counter() - self._started >= self._timeout:
            raise TimedOut(f"{self._what} within {self._timeout:g}s", hint=hint) from error
        raise Refused(f"{self._what}: {str(error).splitlines()[0]}", hint=hint) from error
