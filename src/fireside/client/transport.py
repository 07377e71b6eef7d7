"""Sending requests over the server's Unix socket, and the one place where failures of doing so become our errors.

The blocking side speaks HTTP with the standard library's ``http.client``: httpx would be as good, but importing it
takes as long as a whole command may. The async side (``fireside.client.aio``) uses httpx. What goes wrong on either
passes through :func:`translate`, and every answer through :func:`read`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fireside import wire
from fireside.client.operations import A, Call, Stream
from fireside.client.unixsocket import SocketConnection
from fireside.errors import FiresideError, InternalError, NotAllowed, TimedOut, Unavailable, VersionMismatch

HEADERS = {"Accept": "application/json, application/x-ndjson", "Content-Type": "application/json"}
_ABORTED = "the server of Fireside ended while it answered"


class NoServer(Unavailable):
    """Nobody listens there: nothing was asked, so asking again is safe."""


def translate(error: Exception, what: str, where: object) -> FiresideError:
    """Return the error of ours that stands for a failure to ask.

    `what` says what was asked and `where` of whom. Knows `OSError`, `http.client.HTTPException` and, by the names
    of their classes, the errors of httpx, which this module does not import.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, TimeoutError) or "TimeoutException" in kinds:
        return TimedOut(
            f"{what}: no answer from {where} in time",
            hint="`fireside server logs` shows what the server does; `fireside server stop` ends it",
        )
    if isinstance(error, PermissionError):
        return NotAllowed(f"{what}: {where} may not be opened by you", hint="it belongs to another user")
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)) or "ConnectError" in kinds:
        return NoServer(f"{what}: no server answers at {where}", hint="`fireside server status` says more")
    if isinstance(error, (OSError, http.client.HTTPException)) or kinds & {"NetworkError", "RemoteProtocolError"}:
        return Unavailable(
            f"{what}: {_ABORTED} ({type(error).__name__})", hint="ask again; a new server starts by itself"
        )
    return InternalError(f"{what}: {type(error).__name__} at {where}", found=str(error)[:200] or None)


def read(status: int, content: bytes, answer: type[A], what: str) -> A:
    """Return the answer as its form; raise the error that it carries.

    Raises VersionMismatch when it cannot be understood: two versions that must be alike are not.
    """
    if not 200 <= status < 300:
        raise failure(status, content, what)
    try:
        return answer.model_validate_json(content)
    except ValidationError as error:
        raise VersionMismatch(
            f"{what}: the server answered something that this version of Fireside does not understand",
            hint="restart it with this version: fireside server stop",
        ) from error


def failure(status: int, content: bytes, what: str) -> FiresideError:
    """Return the error that an answer with a status other than 2xx carries."""
    try:
        return wire.error_of(wire.Problem.model_validate_json(content))
    except ValidationError:
        return InternalError(
            f"{what}: answer {status} without an explanation", found=content[:200].decode("utf-8", "replace")
        )


def read_line(line: bytes, answer: type[A], what: str) -> A | None:
    """Return one item of a stream; None for a blank line, which only says that the server is still there.

    Raises the error that a line of the form ``{"problem": …}`` carries: what failed after the stream had begun.
    """
    text = line.strip()
    if not text:
        return None
    if text.startswith(b'{"problem":'):
        found: dict[str, Any] = json.loads(text)
        raise wire.error_of(wire.Problem.model_validate(found["problem"]))
    return read(200, text, answer, what)


def describe(call: Call[Any] | Stream[Any]) -> str:
    """Return what a request asks, for error messages. The query is left out."""
    return f"{call.method} {call.path}"


def send(path: Path, call: Call[A]) -> A:
    """Send a request and return its answer. Raises the error that the answer carries, or that of not getting one."""
    with _asked(path, call) as response:
        content = response.read()
    return read(response.status, content, call.answer, describe(call))


def stream(path: Path, call: Stream[A]) -> Iterator[A]:
    """Send a request and yield its items until the server ends it or the caller closes the iterator."""
    what = describe(call)
    with _asked(path, call) as response:
        if response.status != 200:
            raise failure(response.status, response.read(), what)
        while line := response.readline():
            item = read_line(line, call.answer, what)
            if item is not None:
                yield item
        # readline takes a connection that broke for the end; read tells them apart.
        response.read()


@contextmanager
def _asked(path: Path, call: Call[Any] | Stream[Any]) -> Iterator[http.client.HTTPResponse]:
    connection = SocketConnection(path, timeout=call.patience)
    try:
        connection.request(call.method, call.target, body=call.content, headers=HEADERS)
        yield connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise translate(error, describe(call), path) from error
    finally:
        connection.close()
