"""Every failure to ask becomes one of our errors."""

from __future__ import annotations

import http.client
import inspect
import os
import socket
import struct
import threading
from pathlib import Path

import httpx
import pytest

from fireside import wire
from fireside.client import operations, transport
from fireside.client.unixsocket import check_peer
from fireside.errors import (
    FiresideError,
    InternalError,
    InvalidSpec,
    NotAllowed,
    NotFound,
    TimedOut,
    Unavailable,
    VersionMismatch,
)

HTTPX_ERRORS: list[type[Exception]] = [
    error for _, error in inspect.getmembers(httpx, inspect.isclass) if issubclass(error, httpx.HTTPError)
]
HTTP_ERRORS: list[type[Exception]] = [
    error
    for _, error in inspect.getmembers(http.client, inspect.isclass)
    if issubclass(error, http.client.HTTPException)
]


def made(kind: type[Exception]) -> Exception:
    if issubclass(kind, httpx.HTTPStatusError):
        request = httpx.Request("GET", "http://localhost")
        return kind("why", request=request, response=httpx.Response(500, request=request))
    if issubclass(kind, http.client.IncompleteRead):
        return kind(b"", 1)
    return kind("why")


@pytest.mark.parametrize("kind", HTTPX_ERRORS + HTTP_ERRORS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_of_the_libraries_below_is_translated(kind: type[Exception]) -> None:
    found = transport.translate(made(kind), "GET /version", "/run/x.sock")
    assert isinstance(found, FiresideError)
    assert found.message.startswith("GET /version: ")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), TimedOut),
        (httpx.ReadTimeout("x"), TimedOut),
        (httpx.PoolTimeout("x"), TimedOut),
        (FileNotFoundError(), transport.NoServer),
        (ConnectionRefusedError(), transport.NoServer),
        (httpx.ConnectError("x"), transport.NoServer),
        (ConnectionResetError(), Unavailable),
        (BrokenPipeError(), Unavailable),
        (http.client.RemoteDisconnected("x"), Unavailable),
        (http.client.IncompleteRead(b""), Unavailable),
        (httpx.ReadError("x"), Unavailable),
        (httpx.RemoteProtocolError("x"), Unavailable),
        (PermissionError(), NotAllowed),
        (httpx.UnsupportedProtocol("x"), InternalError),
    ],
)
def test_the_translation_says_who_can_act(error: Exception, expected: type[FiresideError]) -> None:
    assert type(transport.translate(error, "GET /version", "/run/x.sock")) is expected


@pytest.mark.parametrize("row", wire.ERRORS, ids=lambda row: row.code)
def test_an_error_comes_back_as_what_it_was(row: wire.ErrorRow) -> None:
    told = row.error("why", field="a", found="b", allowed="c", hint="d")
    with pytest.raises(row.error) as caught:
        transport.read(row.http, wire.problem_of(told).model_dump_json().encode(), wire.Version, "GET /version")
    assert type(caught.value) is row.error
    assert vars(caught.value) == vars(told)


def test_an_answer_without_our_shape_is_told_as_it_is() -> None:
    with pytest.raises(InternalError, match="502"):
        transport.read(502, b"<html>", wire.Version, "GET /version")


def test_an_answer_that_is_not_understood_speaks_of_versions() -> None:
    with pytest.raises(VersionMismatch):
        transport.read(200, b'{"pid": "x"}', wire.Version, "GET /version")


def test_unknown_fields_in_an_answer_are_ignored() -> None:
    content = b'{"version": "9", "api": 1, "pid": 1, "installation": "i", "news": true}'
    assert transport.read(200, content, wire.Version, "GET /version").version == "9"


def test_a_blank_line_of_a_stream_is_nothing() -> None:
    assert transport.read_line(b"\n", wire.EventView, "GET /x") is None


def test_a_problem_in_a_stream_is_raised() -> None:
    line = b'{"problem":' + wire.problem_of(InvalidSpec("why")).model_dump_json().encode() + b"}\n"
    with pytest.raises(InvalidSpec, match="why"):
        transport.read_line(line, wire.EventView, "GET /x")


def test_no_socket_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(transport.NoServer, match="GET /version"):
        transport.send(tmp_path / "none.sock", operations.version())


def test_a_socket_that_nobody_listens_at_is_no_server(tmp_path: Path) -> None:
    path = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(transport.NoServer):
        transport.send(path, operations.version())


def test_a_server_that_hangs_up_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "rude.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def hang_up() -> None:
            listening.accept()[0].close()

        rude = threading.Thread(target=hang_up)
        rude.start()
        with pytest.raises(Unavailable):
            transport.send(path, operations.version())
        rude.join()


def test_errors_never_carry_the_query() -> None:
    assert transport.describe(operations.logs("a", node="n")) == "GET /clusters/a/logs"
    assert isinstance(transport.failure(404, b'{"code":"not_found","message":"m"}', "x"), NotFound)


class Connected(socket.socket):
    """A socket at whose other end a user with this number listens."""

    def __init__(self, uid: int) -> None:
        super().__init__(socket.AF_UNIX)
        self.uid = uid

    def getsockopt(self, *_: int) -> bytes:  # type: ignore[override]
        return struct.pack("3i", 1, self.uid, self.uid)


def test_another_users_server_is_not_talked_to() -> None:
    with Connected(os.getuid()) as ours:
        check_peer(ours)
    with Connected(os.getuid() + 4711) as theirs, pytest.raises(PermissionError, match="belongs to user"):
        check_peer(theirs)
