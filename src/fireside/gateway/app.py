"""The application: the routes of ``/api/v1`` in front of one engine."""

from __future__ import annotations

from fastapi import FastAPI

from fireside import wire
from fireside.client.operations import PREFIX
from fireside.gateway import cluster_routes, problems, server_routes
from fireside.gateway.context import Service


def create_app(serving: Service) -> FastAPI:
    """Return the application. It starts nothing: the engine's `run` belongs to the caller."""
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
