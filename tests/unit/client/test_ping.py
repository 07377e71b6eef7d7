"""The way hop by hop: what is timed, where it stops, what it says (CLI-06)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from fireside.client import ping as pings
from fireside.client import session
from fireside.errors import NotAllowed, Unavailable, Unsupported, VersionMismatch
from fireside.wire import Connection


def connection(port: int, host: str = "127.0.0.1") -> Connection:
    return Connection(name="etl", spark="4.3.0", remote=f"sc://{host}:{port}", token="t", workspace="/w")


@pytest.fixture
def listening_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


class FakeSession:
    session_id = "s-1"

    def __init__(self, count: int = 10) -> None:
        self._count = count
        self.stopped = False

    def range(self, _end: int) -> FakeSession:
        return self

    def count(self) -> int:
        return self._count

    def interruptAll(self) -> None:  # noqa: N802 - pyspark's name
        """Nothing runs."""

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    fake = FakeSession()
    monkeypatch.setattr(session, "greet", lambda *_a, **_k: "4.3.0")
    monkeypatch.setattr(session, "client_version", lambda *_a: "4.3.0")
    monkeypatch.setattr(session, "start_session", lambda *_a, **_k: fake)
    return fake


def test_every_hop_is_timed_and_the_session_closed(listening_port: int, spark: FakeSession) -> None:
    hops = list(pings.ping(connection(listening_port)))
    assert [(hop.name, hop.ok) for hop in hops] == [
        ("DNS", True),
        ("TCP", True),
        ("gRPC", True),
        ("session", True),
        ("first rows", True),
    ]
    assert all(hop.seconds >= 0 for hop in hops)
    assert spark.stopped


def test_a_name_without_address_stops_at_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_named: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    [hop] = pings.ping(connection(15002, "no.such.host"))
    assert (hop.name, hop.ok) == ("DNS", False)
    assert isinstance(hop.error, Unavailable)
    assert hop.error.found == "no.such.host"


def test_a_closed_port_stops_at_tcp_and_says_where_to_look(unused_port: int) -> None:
    hops = list(pings.ping(connection(unused_port)))
    assert [hop.name for hop in hops] == ["DNS", "TCP"]
    assert isinstance(hops[-1].error, Unavailable)
    assert "fireside logs etl connect" in str(hops[-1].error.hint)


@pytest.mark.parametrize("error", [NotAllowed("wrong token"), VersionMismatch("4.0.1 and 4.3.0", hint="pip install …")])
def test_a_refused_handshake_stops_at_grpc(
    listening_port: int, spark: FakeSession, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_args: Any, **_named: Any) -> str:
        raise error

    monkeypatch.setattr(session, "greet", refuse)
    hops = list(pings.ping(connection(listening_port)))
    assert (hops[-1].name, hops[-1].error) == ("gRPC", error)


def test_wrong_rows_fail_the_last_hop(listening_port: int, spark: FakeSession) -> None:
    spark._count = 9
    hops = list(pings.ping(connection(listening_port)))
    assert (hops[-1].name, hops[-1].ok) == ("first rows", False)
    assert spark.stopped


def test_a_cluster_without_connect_cannot_be_pinged() -> None:
    with pytest.raises(Unsupported):
        list(pings.ping(Connection(name="etl", spark="3.5.0", workspace="/w")))
