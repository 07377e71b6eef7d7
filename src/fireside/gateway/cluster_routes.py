"""Routes that speak of clusters. `ref` is a name of the caller's or an id; another owner's cluster is not found."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict, Field

from fireside import wire
from fireside.errors import Conflict, DoesNotFit, InvalidSpec, NotFound, TimedOut, Unavailable, Unsupported
from fireside.gateway import views
from fireside.gateway.auth import Owner
from fireside.gateway.context import Service, Serving
from fireside.gateway.problems import declared
from fireside.gateway.streams import Lines, lines
from fireside.ports import ClusterRecord

router = APIRouter(prefix="/clusters", tags=["clusters"], responses=declared(InvalidSpec))
_WISH = declared(InvalidSpec, DoesNotFit, Unsupported, Conflict)
_CHANGE = declared(NotFound, InvalidSpec, DoesNotFit, Unsupported, Conflict)
_ONE = declared(NotFound, InvalidSpec)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}, "description": "One a line."}
}

_FAR = 2**53
"""Numbers above are not the same in every JSON reader."""

Ref = Annotated[str, Path(description="Name or id of a cluster.", min_length=1, max_length=200)]


class Asked(wire.Form):
    """Base of queries. A name that a route does not know is refused: `?purg=true` must not pass for a mild delete."""

    model_config = ConfigDict(extra="forbid", defer_build=False)


class Deletion(Asked):
    """Query of a delete."""

    purge: bool = Field(False, description="Take the data (tables, workspace, logs), too.")


class Patience(Asked):
    """Query of a wait."""

    timeout: float = Field(30.0, ge=0, le=wire.MAX_WAIT, description="Seconds.")


class EventQuery(Asked):
    """Which events."""

    after: int = Field(0, ge=0, le=_FAR, description="Only events with a `seq` above.")
    follow: bool = Field(False, description="Go on with those to come.")


class LogQuery(Asked):
    """Which log lines."""

    node: str | None = Field(None, max_length=200, description="Of this node alone.")
    follow: bool = Field(False, description="Go on with those to come.")
    tail: int | None = Field(None, ge=0, le=1_000_000, description="At most so many past lines per source.")


@router.post(
    "", status_code=201, responses={200: {"model": wire.ClusterView, "description": "It exists already."}, **_WISH}
)
async def create(serving: Serving, owner: Owner, asked: wire.CreateRequest, response: Response) -> wire.ClusterView:
    """Create a cluster, or change or start the one that has this name. The same request again changes nothing."""
    record, new = await serving.engine.create(
        owner,
        asked.spec,
        mode=asked.change,
        start=asked.start,
        expected_generation=asked.expected_generation,
    )
    response.status_code = 201 if new else 200
    return views.cluster(record)


@router.get("")
async def list_clusters(serving: Serving, owner: Owner) -> wire.ClusterList:
    """Return the caller's clusters by name."""
    records = await serving.engine.list_clusters(owner)
    return wire.ClusterList(clusters=[views.cluster(record) for record in records])


@router.get("/{ref}", responses=_ONE)
async def get(serving: Serving, owner: Owner, ref: Ref) -> wire.ClusterView:
    """Return a cluster."""
    return views.cluster(await serving.engine.get(owner, ref))


@router.patch("/{ref}", responses=_CHANGE)
async def change(serving: Serving, owner: Owner, ref: Ref, asked: wire.ChangeRequest) -> wire.ClusterView:
    """Change the spec of a cluster that exists; one that is stopped stays stopped."""
    record = await serving.engine.get(owner, ref)
    if asked.spec.get("name", record.name) != record.name:
        raise InvalidSpec(
            f"cluster {record.name} cannot be renamed",
            field="name",
            found=repr(asked.spec["name"])[:100],
            allowed=record.name,
        )
    changed, _ = await serving.engine.create(
        owner,
        {**asked.spec, "name": record.name},
        mode=asked.change,
        start=False,
        expected_generation=record.generation if asked.expected_generation is None else asked.expected_generation,
    )
    return views.cluster(changed)


@router.delete("/{ref}", responses=declared(NotFound, InvalidSpec, Conflict))
async def delete(serving: Serving, owner: Owner, ref: Ref, query: Annotated[Deletion, Query()]) -> wire.Removal:
    """End every node and forget the cluster. Without `purge` a conflict when it has data."""
    data = await serving.engine.data_of(owner, ref)
    record = await serving.engine.delete(owner, ref, purge=query.purge)
    return views.removal(record.name, data)


@router.post("/{ref}/scale", responses=_CHANGE)
async def scale(serving: Serving, owner: Owner, ref: Ref, asked: wire.ScaleRequest) -> wire.ClusterView:
    """Change the number of workers."""
    return views.cluster(await serving.engine.scale(owner, ref, asked.workers))


@router.post("/{ref}/restart", responses=_CHANGE)
async def restart(serving: Serving, owner: Owner, ref: Ref, asked: wire.RestartRequest) -> wire.ClusterView:
    """Restart the nodes of some roles, or all, and clear a failure."""
    return views.cluster(await serving.engine.restart(owner, ref, asked.roles))


@router.post("/{ref}/stop", responses=declared(NotFound, InvalidSpec, Conflict))
async def stop(serving: Serving, owner: Owner, ref: Ref) -> wire.ClusterView:
    """End every node; data, events and logs are kept."""
    return views.cluster(await serving.engine.stop(owner, ref))


@router.get("/{ref}/data", responses=_ONE)
async def data(serving: Serving, owner: Owner, ref: Ref) -> wire.Removal:
    """Return what a delete with `purge` would take away."""
    record = await serving.engine.get(owner, ref)
    return views.removal(record.name, await serving.engine.data_of(owner, ref))


@router.get("/{ref}/connection", responses=declared(NotFound, InvalidSpec, Unavailable))
async def connection(serving: Serving, owner: Owner, ref: Ref, response: Response) -> wire.Connection:
    """Return how to reach a running cluster, secrets included."""
    response.headers["Cache-Control"] = "no-store"
    return views.connection(await serving.engine.access(owner, ref))


@router.get("/{ref}/wait", responses=declared(NotFound, InvalidSpec, TimedOut, Unavailable))
async def wait(serving: Serving, owner: Owner, ref: Ref, query: Annotated[Patience, Query()]) -> wire.ClusterView:
    """Answer when the cluster is where its owner wants it, or given up; `timed_out` when that takes too long."""
    await serving.engine.get(owner, ref)
    return views.cluster(await _settled(serving, owner, ref, query.timeout))


@router.get("/{ref}/events", response_class=Lines, responses={**_STREAM, **_ONE})
async def events(serving: Serving, owner: Owner, ref: Ref, query: Annotated[EventQuery, Query()]) -> Lines:
    """Return events, oldest first, an `EventView` a line."""
    record = await serving.engine.get(owner, ref)
    found = serving.engine.events(owner, record.id, after=query.after, follow=query.follow)
    return lines(found, views.event, serving.closing)


@router.get("/{ref}/logs", response_class=Lines, responses={**_STREAM, **_ONE})
async def logs(serving: Serving, owner: Owner, ref: Ref, query: Annotated[LogQuery, Query()]) -> Lines:
    """Return what nodes and executors wrote, a `LogView` a line."""
    record = await serving.engine.get(owner, ref)
    _check_node(record, query.node)
    found = serving.engine.logs(owner, record.id, node=query.node, follow=query.follow, tail=query.tail)
    return lines(found, views.log_line, serving.closing)


def _check_node(record: ClusterRecord, node: str | None) -> None:
    known = {each.name for each in record.plan.nodes()} | set(record.status.nodes)
    if node is not None and node not in known:
        raise NotFound(
            f"cluster {record.name} has no node {node!r}",
            field="node",
            found=node,
            allowed=", ".join(sorted(known)),
        )


async def _settled(serving: Service, owner: str, ref: str, timeout: float) -> ClusterRecord:
    """Wait for the cluster, the time limit or the server's end, whichever comes first."""
    settled = asyncio.create_task(serving.engine.wait(owner, ref), name="wait-settled")
    closing = asyncio.create_task(serving.closing.wait(), name="wait-closing")
    try:
        await asyncio.wait({settled, closing}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if settled.done():
            return settled.result()
        if closing.done():
            raise Unavailable("the server ends", hint="ask again; a new server starts by itself")
        raise await _too_slow(serving, owner, ref, timeout)
    finally:
        settled.cancel()
        closing.cancel()
        await asyncio.gather(settled, closing, return_exceptions=True)


async def _too_slow(serving: Service, owner: str, ref: str, timeout: float) -> TimedOut:
    record = await serving.engine.get(owner, ref)
    status = record.status
    return TimedOut(
        f"cluster {record.name} is {status.phase.value} after {timeout:g} s"
        + (f": {status.message}" if status.message else ""),
        found=status.phase.value,
        hint=f"fireside events {record.name}",
    )
