"""A cluster as an object, for notebooks and scripts.

::

    with fireside.up(workers=2) as cluster:
        spark = cluster.session()
        spark.range(10).show()

Everything here blocks and needs no event loop, so it works in a notebook cell. Leaving the ``with`` block stops the
cluster when this ``up`` started it (its data stay); one that ran before goes on running.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from fireside import wire
from fireside.client import launch, waiting
from fireside.client.blocking import Client
from fireside.client.caller import with_caller
from fireside.client.launch import stop_server
from fireside.client.operations import Change
from fireside.errors import NotFound, TimedOut, Unavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fireside.model.spec import ClusterSpec

__all__ = ["Cluster", "Fields", "cluster", "clusters", "stop_server", "up"]

Progress = Callable[[str], None]
_ROUND = 0.5
"""Seconds between two lines of progress."""
_STOP_LIMIT = 120.0


class Fields(TypedDict, total=False):
    """Fields of a spec, as keywords of :func:`up`. See `fireside schema`."""

    topology: str
    backend: str
    spark: Mapping[str, Any]
    master: Mapping[str, Any]
    workers: int | Mapping[str, Any]
    executors: Mapping[str, Any]
    connect: bool | Mapping[str, Any]
    workspace: str
    overcommit: bool
    timeouts: Mapping[str, Any]


def up(
    name: str | None = None,
    *,
    spec: ClusterSpec | Mapping[str, Any] | None = None,
    change: Change = "refuse",
    timeout: float | None = None,
    progress: Progress | None = None,
    **fields: Unpack[Fields],
) -> Cluster:
    """Bring a cluster up and return it when it is usable.

    `spec` and keywords (`workers=2`, `topology="single"`) say what is wanted; a keyword goes over the spec's field.
    The cluster called `name` (default: the spec's, else ``default``) is created, or started when it is stopped;
    `change` says what to do when it exists with another spec: ``refuse``, ``merge`` the given fields, ``replace``.
    Waits `timeout` seconds (default: the spec's own limit and a margin) and calls `progress` with a sentence
    whenever something happens.

    Raises InvalidSpec, DoesNotFit, Unsupported, Conflict; Refused with the reason when the cluster cannot start;
    TimedOut. Interrupted, it leaves the cluster starting: `fireside down` ends it.
    """
    client = launch.open_client(progress=progress)
    asked = _asked(name, spec, fields)
    before = _find(client, str(asked.get("name", "default")))
    told = _Teller(client, progress, before)
    # What is asked for without a word on Python means the caller's. Only a name, or a change of some fields, does not
    # speak of Python at all.
    if before is None or (change != "merge" and asked.keys() - {"name"}):
        asked = with_caller(asked)
    view = client.create(asked, change=change)
    return Cluster(client, view, started=before is None or before.desired != "running")._wait(timeout, told)


def cluster(name: str = "default") -> Cluster:
    """Return the cluster of that name or id, in whatever phase it is. Raises NotFound."""
    client = launch.open_client()
    return Cluster(client, client.get(name))


def clusters() -> list[Cluster]:
    """Return your clusters by name."""
    client = launch.open_client()
    return [Cluster(client, view) for view in client.list_clusters().clusters]


class Cluster:
    """One of your clusters. Made by :func:`up`, :func:`cluster` and :func:`clusters`."""

    def __init__(self, client: Client, view: wire.ClusterView, *, started: bool = False) -> None:
        self._client = client
        self._view = view
        self._started = started

    @property
    def id(self) -> str:
        """The immutable id."""
        return self._view.id

    @property
    def name(self) -> str:
        """The name that you gave it."""
        return self._view.name

    @property
    def phase(self) -> str:
        """Where it is now: `ready`, `starting`, `failed` … Asks the server."""
        return self.status().phase

    @property
    def links(self) -> dict[str, str]:
        """Its web pages by name. Asks the server."""
        return self.status().links

    def status(self) -> wire.ClusterView:
        """Return how it is now, node by node. Raises NotFound once it is deleted."""
        self._view = self._client.get(self.id)
        return self._view

    def events(self, *, after: int = 0, follow: bool = False) -> Iterator[wire.EventView]:
        """Yield what happened to it, oldest first; with `follow` also what will."""
        return self._client.events(self.id, after=after, follow=follow)

    def logs(self, *, node: str | None = None, follow: bool = False, tail: int | None = None) -> Iterator[wire.LogView]:
        """Yield what its nodes and executors wrote; `tail` bounds what is past, per source."""
        return self._client.logs(self.id, node=node, follow=follow, tail=tail)

    def scale(self, workers: int, *, timeout: float | None = None) -> Self:
        """Change the number of workers and wait until it is so. Raises DoesNotFit, Unsupported, TimedOut."""
        self._view = self._client.scale(self.id, workers)
        return self.wait(timeout)

    def restart(self, roles: Sequence[str] = (), *, timeout: float | None = None) -> Self:
        """Restart the nodes of these roles, or all, and wait until it is usable again."""
        self._view = self._client.restart(self.id, roles)
        return self.wait(timeout)

    def down(self, *, purge: bool = False, timeout: float = _STOP_LIMIT) -> None:
        """Stop it and keep its data; with `purge` delete it with its data. Waits until it is done."""
        if not purge:
            self._view = self._client.stop(self.id)
            self.wait(timeout)
            return
        self._client.delete(self.id, purge=True)
        try:
            self.wait(timeout)
        except NotFound:  # that is how a deleted cluster looks
            return

    def wait(self, timeout: float | None = None, *, progress: Progress | None = None) -> Self:
        """Wait until it is where you want it, and return it.

        Raises Refused with the reason when it gave up, TimedOut after `timeout` seconds (default: the spec's limit and
        a margin), NotFound when it is deleted meanwhile.
        """
        return self._wait(timeout, _Teller(self._client, progress, self._view))

    def connection(self) -> wire.Connection:
        """Return how to reach it, secrets included (its `repr` leaves them out). Raises Unavailable."""
        return self._client.connection(self.id)

    def session(self) -> SparkSession:
        """Return a stock Spark Connect session. Raises Unavailable, VersionMismatch, MissingPart."""
        from fireside.client.session import open_session

        return open_session(self.connection())

    def __enter__(self) -> Self:
        """Return the cluster itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it when the `up` that made this object started it."""
        if not self._started:
            return
        try:
            self.down()
        except NotFound:  # deleted inside the block
            return

    def __repr__(self) -> str:
        """Return name, phase and size as last seen."""
        view = self._view
        size = f", {view.workers_ready}/{view.workers_wanted} workers" if view.workers_wanted else ""
        return f"<fireside.Cluster {view.name!r}: {view.phase}{size}>"

    def _repr_html_(self) -> str:
        """Return a small table for notebooks, as last seen."""
        view = self._view
        links = " · ".join(
            f'<a href="{html.escape(url)}" target="_blank">{html.escape(name)}</a>' for name, url in view.links.items()
        )
        rows = {
            "phase": html.escape(view.phase + (f": {view.message}" if view.message else "")),
            "workers": f"{view.workers_ready} of {view.workers_wanted}" if view.workers_wanted else "",
            "Spark": html.escape(view.spark),
            "pages": links,
        }
        body = "".join(f"<tr><th>{key}</th><td>{value}</td></tr>" for key, value in rows.items() if value)
        return f"<table><caption>Fireside cluster {html.escape(view.name)}</caption>{body}</table>"

    def _wait(self, timeout: float | None, told: _Teller) -> Self:
        limit = self._view.ready_timeout + waiting.MARGIN if timeout is None else timeout
        deadline = time.monotonic() + limit
        try:
            self._view = self._settled(deadline, told)
        except TimedOut as error:
            told.tell(self.id)
            raise TimedOut(
                f"cluster {self.name} is not settled after {limit:g} s: {error.message}",
                hint=f"it goes on by itself; see: fireside status {self.name}",
            ) from error
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"cluster {self.name} goes on by itself; to end it: fireside down {self.name}")
            raise
        if self._view.desired == "deleted":
            raise NotFound(f"cluster {self.name} is deleted")
        told.tell(self.id)
        if self._view.phase == "failed":
            raise waiting.failure(self._view)
        return self

    def _settled(self, deadline: float, told: _Teller) -> wire.ClusterView:
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            try:
                return self._client.wait(self.id, min(left, wire.MAX_WAIT if told.silent else _ROUND))
            except TimedOut:
                if time.monotonic() >= deadline:
                    raise
            except Unavailable:  # the server ends, or has ended: asking again starts another
                if time.monotonic() >= deadline:
                    raise
                time.sleep(waiting.PAUSE)
            told.tell(self.id)


class _Teller:
    """Passes each event of a cluster on, once; those that were there before, as `seen`, are left out."""

    def __init__(self, client: Client, progress: Progress | None, seen: wire.ClusterView | None) -> None:
        self._client = client
        self._progress = progress
        self._after = 0
        if progress is not None and seen is not None:
            self._after = waiting.last_event(client, seen.id)

    @property
    def silent(self) -> bool:
        """Whether nobody listens."""
        return self._progress is None

    def tell(self, ref: str) -> None:
        """Pass on what is new."""
        if self._progress is None:
            return
        for event in waiting.news(self._client, ref, self._after):
            self._after = event.seq
            self._progress(event.message)


def _find(client: Client, name: str) -> wire.ClusterView | None:
    return next((view for view in client.list_clusters().clusters if view.name == name), None)


def _asked(name: str | None, spec: ClusterSpec | Mapping[str, Any] | None, fields: Fields) -> dict[str, Any]:
    if spec is None:
        asked: dict[str, Any] = {}
    elif isinstance(spec, Mapping):
        asked = dict(spec)
    else:
        asked = spec.model_dump(mode="json", exclude_unset=True)
    asked.update(fields)
    if name is not None:
        asked["name"] = name
    return asked
