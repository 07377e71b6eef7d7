"""Every answer that is not 2xx has one shape, :class:`fireside.wire.Problem`, whatever went wrong and wherever.

Codes and statuses come from the table in ``fireside.wire``. HTTP itself knows a few failures more (a method that a
route does not have, a body that is too large): they keep their own status and use the nearest code.
"""

from __future__ import annotations

import difflib
import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fireside import wire
from fireside.errors import FiresideError, InternalError, InvalidSpec, NotAllowed, NotFound, UserError

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
"""Bytes that a request's body may have."""


class Json(JSONResponse):
    """JSON that says its character set, and that any text survives."""

    def render(self, content: Any) -> bytes:
        """Return the body. Escaped, because a text with half a surrogate pair has no UTF-8."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the headers, the character set among them."""
        super().init_headers(headers)
        self.headers["content-type"] = "application/json; charset=utf-8"


_SHAPE = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def declared(*kinds: type[FiresideError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that can answer with these errors, for the OpenAPI document."""
    rows = [row for row in wire.ERRORS if row.error in kinds]
    answers: dict[int | str, dict[str, Any]] = {}
    for status in sorted({row.http for row in rows}):
        codes = ", ".join(f"`{row.code}`" for row in rows if row.http == status)
        answers[status] = {"content": _SHAPE, "description": codes}
    answers["default"] = {"content": _SHAPE, "description": "Any other error."}
    return answers


def answer(error: FiresideError, *, status: int | None = None, headers: Mapping[str, str] | None = None) -> Json:
    """Return the answer that tells an error."""
    content = wire.problem_of(error).model_dump(mode="json")
    return Json(content, status_code=status or wire.row_of(error).http, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Make every failure of `app` answer in the one shape."""
    app.add_exception_handler(FiresideError, _told)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(BodyLimit)


async def _told(request: Request, error: Exception) -> Json:
    if not isinstance(error, FiresideError):
        raise error
    if isinstance(error, InternalError):
        log.error("%s %s: %s", request.method, request.url.path, error.message, extra={"event_name": "request.failed"})
    return answer(error)


async def _misread(_request: Request, error: Exception) -> Json:
    if not isinstance(error, RequestValidationError):
        raise error
    finding = error.errors()[0]
    where, *place = finding["loc"]
    if where == "body" and not place:
        return answer(InvalidSpec("the body has to be a JSON object, sent as application/json", field="body"))
    if finding["type"] == "json_invalid":
        why = finding.get("ctx", {}).get("error", "")
        return answer(InvalidSpec(f"the body is not JSON: {why}, at byte {place[-1]}", field="body"))
    return answer(wire.misread(finding, place))


async def _http(request: Request, error: Exception) -> Json:
    if not isinstance(error, HTTPException):
        raise error
    ours: UserError
    what = f"{request.method} {request.url.path[:200]}"
    match error.status_code:
        case 404:
            ours = NotFound(f"{what}: no such route", found=request.url.path[:200], hint=_nearest_route(request))
        case 405:
            # The framework names the methods of the first route with this path, not of all.
            allowed = ", ".join(_methods(request))
            ours = NotAllowed(f"{what}: this route has no such method", found=request.method, allowed=allowed)
            return answer(ours, status=405, headers={"Allow": allowed})
        case 413:
            ours = InvalidSpec(f"{what}: the body is too large", field="body", allowed=f"{MAX_BODY} bytes")
        case _:
            ours = InvalidSpec(f"{what}: {error.detail}", field="body")
    return answer(ours, status=error.status_code, headers=error.headers)


def _nearest_route(request: Request) -> str:
    near = difflib.get_close_matches(request.url.path, request.app.openapi()["paths"], 1)
    return f"did you mean {near[0]}?" if near else f"GET {request.app.openapi_url} lists the routes"


def _methods(request: Request) -> list[str]:
    routes = request.app.openapi()["paths"].items()
    return sorted(
        {
            method.upper()
            for path, methods in routes
            if compile_path(path)[0].fullmatch(request.url.path)
            for method in methods
        }
    )


async def _unexpected(request: Request, error: Exception) -> Json:
    """Tell nothing but an id; the server logs the traceback, and this line to find it by."""
    number = secrets.token_hex(4)
    log.error(
        "%s %s failed unexpectedly (%s): %s",
        request.method,
        request.url.path,
        number,
        type(error).__name__,
        exc_info=error,
        extra={"event_name": "request.crashed"},
    )
    return answer(
        InternalError(
            f"{request.method} {request.url.path} failed inside Fireside (report {number})",
            hint="please report it with the lines around that number in `fireside server logs`",
        )
    )


class BodyLimit:
    """Refuses bodies above :data:`MAX_BODY` before they are held in memory, announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-length"), "0")
        if length.isdigit() and int(length) > MAX_BODY:
            error = InvalidSpec("the body is too large", field="body", found=length, allowed=f"{MAX_BODY} bytes")
            await answer(error, status=413)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)
