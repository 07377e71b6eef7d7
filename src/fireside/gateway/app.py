"""The application: the routes of ``/api/v1`` in front of one engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from fireside import wire
from fireside.client.operations import PREFIX
from fireside.engine.service import Engine
from fireside.gateway import problems


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


def create_app(serving: Service) -> FastAPI:
    """Return the application. It starts nothing: the engine's `run` belongs to the caller."""
    from fireside.gateway import cluster_routes, server_routes

    app = FastAPI(
        title="Fireside",
        version=f"{wire.API_VERSION}",
        description="Spark clusters from a spec. Every answer that is not 2xx has the shape `Problem`.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=problems.Json,
    )
    app.state.service = serving
    app.include_router(server_routes.router, prefix=PREFIX)
    app.include_router(cluster_routes.router, prefix=PREFIX)
    problems.install(app)
    return app
