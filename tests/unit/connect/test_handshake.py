"""The handshake against small gRPC servers of our own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fireside.connect import handshake as module
from fireside.connect.handshake import decode, handshake, handshake_async
from fireside.errors import MissingPart, NotAllowed, Unavailable


class FakeConnect(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers the two calls as Spark does, and remembers its sessions."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.sessions: set[bytes] = set()
        self.seen: list[str] = []

    def service(self, details: Any) -> Any:
        metadata = dict(details.invocation_metadata)
        self.seen.append(details.method)

        def answer(request: bytes, context: Any) -> bytes:
            if self.token is not None and metadata.get("authorization") != f"Bearer {self.token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid authentication token")
            fields = decode(request)
            if details.method.endswith("AnalyzePlan"):
                assert fields[10] == b""
                assert decode(fields[2])[1] == b"fireside"
                self.sessions.add(fields[1])
                return b"\x0a\x02id" + b"\x42\x07\x0a\x054.3.0" + b"\x48\x01"
            self.sessions.remove(fields[1])
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


Serve = Callable[[grpc.GenericRpcHandler | None], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(handler: grpc.GenericRpcHandler | None) -> str:
        server = grpc.server(futures.ThreadPoolExecutor(2))
        if handler is not None:
            server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None).wait()


def both(target: str, token: str | None) -> list[str]:
    secret = None if token is None else SecretStr(token)
    return [
        handshake(target, secret, timeout=10),
        asyncio.run(handshake_async(target, secret, timeout=10)),
    ]


def test_a_server_says_its_version_and_keeps_no_session(serve: Serve) -> None:
    fake = FakeConnect("right")
    assert both(serve(fake), "right") == ["4.3.0", "4.3.0"]
    assert not fake.sessions
    assert len(fake.seen) == 4


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_missing_or_wrong_token_is_not_allowed_and_is_not_repeated_in_the_error(
    serve: Serve, token: str | None
) -> None:
    with pytest.raises(NotAllowed) as caught:
        both(serve(FakeConnect("right")), token)
    assert "wrong" not in str(caught.value)


def test_nothing_that_listens_is_unavailable_at_once() -> None:
    with pytest.raises(Unavailable, match="no Connect server answers"):
        handshake("127.0.0.1:1", None, timeout=30)
    with pytest.raises(Unavailable, match="no Connect server answers"):
        asyncio.run(handshake_async("127.0.0.1:1", None, timeout=30))


def test_another_grpc_server_is_named_as_such(serve: Serve) -> None:
    with pytest.raises(Unavailable, match="no Spark Connect server"):
        both(serve(None), None)


def test_a_server_without_a_version_in_its_answer_is_unavailable(serve: Serve) -> None:
    class Mute(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x0a\x02id")

    with pytest.raises(Unavailable, match="does not say its Spark version"):
        both(serve(Mute()), None)


def test_without_grpcio_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingPart) as caught:
        handshake("127.0.0.1:1", None, timeout=1)
    assert caught.value.hint == "pip install 'fireside[local]'"


@given(st.dictionaries(st.integers(1, 2**20), st.binary(max_size=300)))
def test_what_is_encoded_is_decoded(fields: dict[int, bytes]) -> None:
    assert decode(b"".join(module._field(number, value) for number, value in fields.items())) == fields


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused_as_values(message: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(message)
