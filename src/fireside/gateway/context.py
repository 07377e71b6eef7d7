"""What every route works with: the engine behind the API, and the end of the server that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from fireside.engine.service import Engine


@dataclass(frozen=True)
class Service:
    """What the routes work with."""

    engine: Engine
    installation: str
    """Id of the installation."""
    version: str
    """Version of the package."""
    stop: Callable[[], None]
    """Begin the end of the server; returns at once."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to end: whoever waits or streams has to come to an end."""


def service(request: Request) -> Service:
    """Return what the application was made with."""
    found = request.app.state.service
    if not isinstance(found, Service):
        raise TypeError("the application has no service")
    return found


Serving = Annotated[Service, Depends(service)]
