"""What can be asked of the API: one function an operation, shared by the blocking and the async client.

A function returns the request as a value (:class:`Call`, or :class:`Stream` for answers that go on) and does
nothing. The clients differ in how they send it; their methods are made from this table, so that they cannot
drift apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError

from fireside import wire
from fireside.errors import InvalidSpec

A = TypeVar("A", bound=BaseModel)
M = TypeVar("M", bound=Callable[..., Any])

PREFIX = f"/api/v{wire.API_VERSION}"
PATIENCE = 30.0
"""Seconds that an answer may take, unless the operation waits for something."""
HANDSHAKE_PATIENCE = 5.0
"""Seconds for a server to say who it is: it needs nothing for that."""

Change = Literal["refuse", "merge", "replace"]


@dataclass(frozen=True, slots=True)
class Call(Generic[A]):
    """A request with one answer."""

    method: str
    path: str
    answer: type[A]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: BaseModel | None = None
    patience: float = PATIENCE
    """Seconds to wait for the answer."""

    @property
    def target(self) -> str:
        """The path with its query, as HTTP sends it."""
        return _target(self.path, self.query)

    @property
    def content(self) -> bytes | None:
        """The body, as HTTP sends it; None without one."""
        return None if self.body is None else self.body.model_dump_json(exclude_none=False).encode()


@dataclass(frozen=True, slots=True)
class Stream(Generic[A]):
    """A request whose answer is one item a line, perhaps for ever."""

    path: str
    answer: type[A]
    query: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    patience: float = PATIENCE
    """Seconds without any line, blank ones included, after which nobody is there any more."""

    @property
    def target(self) -> str:
        """The path with its query, as HTTP sends it."""
        return _target(self.path, self.query)

    @property
    def content(self) -> bytes | None:
        """No body."""
        return None


def _target(path: str, query: Mapping[str, Any]) -> str:
    given = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
    words = urlencode({key: value for key, value in given.items() if value is not None})
    return PREFIX + path + (f"?{words}" if words else "")


def _cluster(ref: str, rest: str = "") -> str:
    if not ref or ref in {".", ".."}:
        raise InvalidSpec(f"{ref!r} names no cluster", field="name", found=repr(ref), hint="`fireside ps` lists them")
    return f"/clusters/{quote(ref, safe='')}{rest}"


def _form(kind: type[wire.Request], **fields: object) -> wire.Request:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        finding = error.errors()[0]
        raise wire.misread(finding, finding["loc"]) from error


def signed(method: M, operation: Callable[..., Any]) -> M:
    """Return a client's method that shows the parameters of the operation it sends to `help` and editors."""
    signature = inspect.signature(operation)
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    shown = signature.replace(
        parameters=[this, *signature.parameters.values()], return_annotation=inspect.Signature.empty
    )
    method.__signature__ = shown  # type: ignore[attr-defined]
    return method


# --------------------------------------------------------------------------------------------- server


def version() -> Call[wire.Version]:
    """Ask who answers: package version, API version, process id, installation."""
    return Call("GET", "/version", wire.Version, patience=HANDSHAKE_PATIENCE)


def health() -> Call[wire.Health]:
    """Ask how the server is, with what it depends on."""
    return Call("GET", "/health", wire.Health)


def stop_server() -> Call[wire.Version]:
    """Ask the server to end; clusters keep running. The answer comes before its end and says who ends."""
    return Call("POST", "/server/stop", wire.Version)


def purge_orphans() -> Call[wire.Orphans]:
    """End what runs under this installation's id but is in no record."""
    return Call("POST", "/server/purge-orphans", wire.Orphans, patience=300.0)


# ------------------------------------------------------------------------------------------- clusters


def plan(spec: Mapping[str, Any], *, change: Change = "replace") -> Call[wire.ProposalView]:
    """Ask what a spec would mean, without making anything. Raises InvalidSpec, DoesNotFit, Unsupported."""
    return Call("POST", "/plan", wire.ProposalView, body=_form(wire.CreateRequest, spec=dict(spec), change=change))


def create(
    spec: Mapping[str, Any], *, change: Change = "refuse", start: bool = True, expected_generation: int | None = None
) -> Call[wire.ClusterView]:
    """Create a cluster, or change or start the one that has this name; returns when the wish is durable.

    The same spec again changes nothing; an empty one means "as it is". Raises Conflict when it exists with another
    spec and `change` is refuse, or when its generation is not the expected one.
    """
    body = _form(
        wire.CreateRequest, spec=dict(spec), change=change, start=start, expected_generation=expected_generation
    )
    return Call("POST", "/clusters", wire.ClusterView, body=body)


def list_clusters() -> Call[wire.ClusterList]:
    """Ask for your clusters, by name."""
    return Call("GET", "/clusters", wire.ClusterList)


def get(ref: str) -> Call[wire.ClusterView]:
    """Ask for one cluster by name or id. Raises NotFound."""
    return Call("GET", _cluster(ref), wire.ClusterView)


def change(
    ref: str,
    spec: Mapping[str, Any],
    *,
    change: Literal["merge", "replace"] = "merge",
    expected_generation: int | None = None,
) -> Call[wire.ClusterView]:
    """Change the spec of a cluster that exists. Raises NotFound, InvalidSpec, DoesNotFit, Conflict."""
    body = _form(wire.ChangeRequest, spec=dict(spec), change=change, expected_generation=expected_generation)
    return Call("PATCH", _cluster(ref), wire.ClusterView, body=body)


def scale(ref: str, workers: int) -> Call[wire.ClusterView]:
    """Change the number of workers. Raises NotFound, DoesNotFit, Unsupported, Conflict (being deleted)."""
    return Call("POST", _cluster(ref, "/scale"), wire.ClusterView, body=_form(wire.ScaleRequest, workers=workers))


def restart(ref: str, roles: Sequence[str] = ()) -> Call[wire.ClusterView]:
    """Restart the nodes of these roles, or all, and clear a failure."""
    return Call("POST", _cluster(ref, "/restart"), wire.ClusterView, body=_form(wire.RestartRequest, roles=list(roles)))


def stop(ref: str) -> Call[wire.ClusterView]:
    """End every node; keep data, events and logs."""
    return Call("POST", _cluster(ref, "/stop"), wire.ClusterView)


def delete(ref: str, *, purge: bool = False) -> Call[wire.Removal]:
    """End every node and forget the cluster; with `purge` its data, too, else Conflict when there are any.

    Returns what is taken away, before it is all gone: see :func:`wait`.
    """
    return Call("DELETE", _cluster(ref), wire.Removal, query={"purge": purge})


def data(ref: str) -> Call[wire.Removal]:
    """Ask what a delete with `purge` would take away."""
    return Call("GET", _cluster(ref, "/data"), wire.Removal, patience=120.0)


def connection(ref: str) -> Call[wire.Connection]:
    """Ask how to reach a running cluster, secrets included. Raises Unavailable naming the phase."""
    return Call("GET", _cluster(ref, "/connection"), wire.Connection)


def wait(ref: str, timeout: float = 30.0) -> Call[wire.ClusterView]:
    """Return when the cluster is where its owner wants it, or given up.

    A cluster that is deleted is returned as it was last, when it is gone. Raises TimedOut after `timeout` seconds,
    naming what it waits for.
    """
    bounded = min(max(timeout, 0.0), wire.MAX_WAIT)
    return Call(
        "GET", _cluster(ref, "/wait"), wire.ClusterView, query={"timeout": bounded}, patience=bounded + PATIENCE
    )


def events(ref: str, *, after: int = 0, follow: bool = False) -> Stream[wire.EventView]:
    """Read events with `seq` above `after`, oldest first; with `follow` also those to come."""
    return Stream(_cluster(ref, "/events"), wire.EventView, query={"after": after, "follow": follow})


def logs(ref: str, *, node: str | None = None, follow: bool = False, tail: int | None = None) -> Stream[wire.LogView]:
    """Read log lines of one node, or of all; `tail` bounds what is past, per source."""
    return Stream(_cluster(ref, "/logs"), wire.LogView, query={"node": node, "follow": follow, "tail": tail})
