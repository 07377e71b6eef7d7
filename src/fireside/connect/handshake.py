"""The shortest conversation with a Spark Connect server: which version are you? And good-bye.

A server that answers it has its port open, its token right and its session machinery working, which an open
port alone does not prove. The two messages are written by hand (a few dozen bytes of protobuf), so that neither
``pyspark`` nor generated code is needed, and a client of any version can ask a server of any other.

Field numbers are those of ``spark/connect/base.proto``, the same in every Spark 4: AnalyzePlan with its empty
``spark_version`` (10) is answered with ``spark_version`` (8) whose ``version`` is field 1; both requests carry
``session_id`` (1) and ``user_context`` (2) whose ``user_id`` is field 1.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from fireside.errors import FiresideError, MissingPart, NotAllowed, Unavailable

_SERVICE = "/spark.connect.SparkConnectService/"
_ANALYZE = f"{_SERVICE}AnalyzePlan"
_RELEASE = f"{_SERVICE}ReleaseSession"
_OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else a failed dial is remembered for the next, unrelated channel
    ("grpc.enable_http_proxy", 0),
)
_USER = "fireside"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def handshake(target: str, token: SecretStr | None, *, timeout: float) -> str:
    """Return the Spark version of the Connect server at `target` (`host:port`); leaves no session behind.

    Waits at most `timeout` seconds for each of two calls. Raises Unavailable when nothing, or something else,
    answers; NotAllowed when the token is missing or wrong; MissingPart without grpcio.
    """
    grpc = _grpc()
    session = _session()
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        try:
            answer = channel.unary_unary(_ANALYZE)(_question(session), timeout=timeout, metadata=_metadata(token))
            channel.unary_unary(_RELEASE)(session, timeout=timeout, metadata=_metadata(token))
        except grpc.RpcError as error:
            raise _translated(target, error, token) from error
    return _version(target, answer)


async def handshake_async(target: str, token: SecretStr | None, *, timeout: float) -> str:
    """Do what `handshake` does, without blocking the event loop."""
    grpc = _grpc()
    session = _session()
    async with grpc.aio.insecure_channel(target, options=_OPTIONS) as channel:
        try:
            answer = await channel.unary_unary(_ANALYZE)(_question(session), timeout=timeout, metadata=_metadata(token))
            await channel.unary_unary(_RELEASE)(session, timeout=timeout, metadata=_metadata(token))
        except grpc.aio.AioRpcError as error:
            raise _translated(target, error, token) from error
    return _version(target, answer)


def _grpc() -> Any:
    try:
        import grpc
        import grpc.aio
    except ImportError as error:
        raise MissingPart(
            f"a Connect server cannot be asked how it is: {error}", hint="pip install 'fireside[local]'"
        ) from error
    return grpc


def _metadata(token: SecretStr | None) -> tuple[tuple[str, str], ...]:
    return () if token is None else (("authorization", f"Bearer {token.get_secret_value()}"),)


def _translated(target: str, error: Any, token: SecretStr | None) -> FiresideError:
    code, details = error.code().name, error.details() or "no details"
    if code in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
        said = "without a token" if token is None else "with this token"
        return NotAllowed(f"the Connect server at {target} lets nobody in {said}: {details}")
    if code == "UNIMPLEMENTED":
        return Unavailable(f"what answers at {target} is no Spark Connect server: {details}")
    return Unavailable(f"no Connect server answers at {target}: {code}: {details}")


# ------------------------------------------------------------------------------------------- the codec


def _session() -> bytes:
    """Return the part that both requests begin with; alone it is a ReleaseSessionRequest."""
    return _field(1, str(uuid.uuid4()).encode()) + _field(2, _field(1, _USER.encode()))


def _question(session: bytes) -> bytes:
    return session + _field(10, b"")


def _version(target: str, answer: bytes) -> str:
    try:
        return decode(decode(answer)[8])[1].decode()
    except (KeyError, IndexError, ValueError) as error:
        raise Unavailable(f"what answers at {target} does not say its Spark version") from error


def _field(number: int, value: bytes) -> bytes:
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _encode_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def decode(message: bytes) -> Mapping[int, bytes]:
    """Return the length-delimited fields of a protobuf message, the last one of each number; skip all others.

    Raises ValueError for what is no protobuf.
    """
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(message):
        key, at = _decode_varint(message, at)
        wire_type = key & 7
        if wire_type == _VARINT:
            _, at = _decode_varint(message, at)
            continue
        length, at = _length(wire_type, message, at)
        if at + length > len(message):
            raise ValueError("a field is longer than its message")
        if wire_type == _BYTES:
            fields[key >> 3] = message[at : at + length]
        at += length
    return fields


def _length(wire_type: int, message: bytes, at: int) -> tuple[int, int]:
    if wire_type == _BYTES:
        return _decode_varint(message, at)
    if wire_type in {_FIXED64, _FIXED32}:
        return (8 if wire_type == _FIXED64 else 4), at
    raise ValueError(f"wire type {wire_type} does not exist")


def _decode_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number does not end")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
