"""Routes that speak of the server itself.

`GET /version` and `POST /server/stop` stay as they are in every version of the API, so that a client of any version
can tell which server runs, and end it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from fireside import wire
from fireside.errors import Conflict, DoesNotFit, InvalidSpec, Unsupported
from fireside.gateway import views
from fireside.gateway.auth import Owner
from fireside.gateway.context import Serving
from fireside.gateway.problems import declared

router = APIRouter(tags=["server"], responses=declared())


@router.get("/version")
async def version(serving: Serving) -> wire.Version:
    """Say who answers."""
    return _version(serving)


@router.get("/health")
async def health(serving: Serving) -> wire.Health:
    """Say how the server is, with what it depends on. 200 also when degraded: the body says what is wrong."""
    return views.health(await serving.engine.health())


@router.get("/schema")
async def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a spec."""
    return views.schema()


@router.post("/plan", responses=declared(InvalidSpec, DoesNotFit, Unsupported, Conflict))
async def plan(serving: Serving, owner: Owner, asked: wire.CreateRequest) -> wire.ProposalView:
    """Say what a request to create or change a cluster would mean, without doing it."""
    return views.proposal(await serving.engine.propose(owner, asked.spec, mode=asked.change))


@router.post("/server/stop", status_code=202)
async def stop(serving: Serving, _owner: Owner) -> wire.Version:
    """End the server; clusters keep running. The answer says who ends, before it does."""
    serving.stop()
    return _version(serving)


@router.post("/server/purge-orphans")
async def purge_orphans(serving: Serving, _owner: Owner) -> wire.Orphans:
    """End what runs under this installation's id but is in no record; sweeping is allowed from now on."""
    return wire.Orphans(removed=list(await serving.engine.purge_orphans()))


def _version(serving: Serving) -> wire.Version:
    return wire.Version(
        version=serving.version, api=wire.API_VERSION, pid=os.getpid(), installation=serving.installation
    )
