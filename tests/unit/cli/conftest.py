"""A server that only remembers: the blocking client's methods over a dictionary of clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fireside import wire
from fireside.cli import main, target
from fireside.client import glance
from fireside.errors import NotFound, TimedOut, Unavailable


def cluster(name: str = "default", **changes: Any) -> wire.ClusterView:
    """Return a ready cluster of two workers, five minutes old."""
    then = datetime.now(UTC) - timedelta(minutes=5, seconds=2)
    worker: dict[str, Any] = {"role": "worker", "phase": "ready", "cores": 1, "memory": "1g"}
    nodes = [
        wire.NodeView(
            name="master", role="master", phase="ready", cores=1, memory="512m", addresses={"rpc": "127.0.0.1:7077"}
        ),
        wire.NodeView(name="worker-1", **worker),
        wire.NodeView(name="worker-2", **worker),
        wire.NodeView(
            name="connect",
            role="connect",
            phase="ready",
            cores=1,
            memory="1g",
            addresses={"connect": "127.0.0.1:15002"},
        ),
    ]
    facts: dict[str, Any] = {
        "id": "c-1", "name": name, "owner": "me", "backend": "local", "topology": "standalone", "spark": "4.3.0",
        "desired": "running", "phase": "ready", "since": then, "created_at": then, "generation": 1,
        "observed_generation": 1, "workers_ready": 2, "workers_wanted": 2, "nodes": nodes,
        "links": {"master": "http://127.0.0.1:8080"},
    }  # fmt: skip
    return wire.ClusterView(**{**facts, **changes})


class FakeServer:
    """Answers as the blocking client does, from what it is given."""

    socket = Path("/run/server.sock")

    def __init__(self) -> None:
        self.clusters: dict[str, wire.ClusterView] = {}
        self.events_of: dict[str, list[wire.EventView]] = {}
        self.lines: list[wire.LogView] = []
        self.calls: list[tuple[str, Any]] = []
        self.change = wire.ChangeView(action="create")
        self.notes: list[str] = []
        self.warnings: list[wire.Problem] = []
        self.not_yet = 0
        """How many times `wait` runs out of time before the cluster settles."""
        self.ends = 0
        """How many questions find a server that is about to end."""
        self.interrupt = False
        self.orphans: list[str] = []

    def add(self, *views: wire.ClusterView) -> None:
        """Have clusters."""
        self.clusters.update({view.name: view for view in views})

    def tell(self, name: str, *messages: str) -> None:
        """Have events."""
        told = self.events_of.setdefault(name, [])
        for message in messages:
            at = datetime(2026, 1, 31, 12, 0, len(told), tzinfo=UTC)
            told.append(wire.EventView(seq=len(told) + 1, at=at, kind="note", message=message))

    def named(self, call: str) -> list[Any]:
        """Return what this method was called with."""
        return [what for name, what in self.calls if name == call]

    def list_clusters(self) -> wire.ClusterList:
        return wire.ClusterList(clusters=sorted(self.clusters.values(), key=lambda view: view.name))

    def get(self, ref: str) -> wire.ClusterView:
        for view in self.clusters.values():
            if ref in {view.name, view.id}:
                return view
        raise NotFound(f"there is no cluster {ref!r}", found=ref, hint="fireside ps lists them")

    def plan(self, spec: Mapping[str, Any], *, change: str = "replace") -> wire.ProposalView:
        self.calls.append(("plan", (dict(spec), change)))
        known = self.clusters.get(str(spec.get("name", "default")))
        return wire.ProposalView(
            spec=dict(spec),
            sums=[
                wire.Sum(role="master", count=1, cores=1, limit=512, parts={"heap": 256, "overhead": 256}),
                wire.Sum(role="worker", count=2, cores=2, limit=2048, parts={"daemon heap": 256, "executors": 1792}),
            ],
            total_memory=4608,
            room_memory=8000,
            notes=self.notes,
            warnings=self.warnings,
            conf={"worker": {"spark.b": "2", "spark.a": "1"}},
            change=self.change,
            generation=known.generation if known else None,
        )

    def create(
        self,
        spec: Mapping[str, Any],
        *,
        change: str = "refuse",
        start: bool = True,
        expected_generation: int | None = None,
    ) -> wire.ClusterView:
        self.calls.append(("create", (dict(spec), change, expected_generation)))
        name = str(spec.get("name", "default"))
        self.tell(name, "created")
        if name not in self.clusters:
            self.add(cluster(name))
        return self.clusters[name]

    def wait(self, ref: str, timeout: float = 30.0) -> wire.ClusterView:
        if self.interrupt:
            raise KeyboardInterrupt
        self._or_ends()
        if self.not_yet:
            self.not_yet -= 1
            raise TimedOut("not yet")
        return self.get(ref)

    def _or_ends(self) -> None:
        if self.ends:
            self.ends -= 1
            raise Unavailable("the server ends")

    def events(self, ref: str, *, after: int = 0, follow: bool = False) -> Iterator[wire.EventView]:
        self._or_ends()
        name = self.get(ref).name
        return iter([event for event in self.events_of.get(name, []) if event.seq > after])

    def logs(
        self, ref: str, *, node: str | None = None, follow: bool = False, tail: int | None = None
    ) -> Iterator[wire.LogView]:
        self.calls.append(("logs", (ref, node, follow, tail)))
        return iter(self.lines)

    def scale(self, ref: str, workers: int) -> wire.ClusterView:
        self.calls.append(("scale", (ref, workers)))
        view = self.get(ref).model_copy(update={"workers_ready": workers, "workers_wanted": workers})
        self.add(view)
        return view

    def restart(self, ref: str, roles: Sequence[str] = ()) -> wire.ClusterView:
        self.calls.append(("restart", (ref, list(roles))))
        return self.get(ref)

    def stop(self, ref: str) -> wire.ClusterView:
        self.calls.append(("stop", ref))
        view = self.get(ref).model_copy(update={"phase": "stopped", "desired": "stopped"})
        self.add(view)
        return view

    def data(self, ref: str) -> wire.Removal:
        return wire.Removal(name=self.get(ref).name, data={"/home/me/warehouse": 3 * 1024 * 1024, "/home/me/logs": 10})

    def delete(self, ref: str, *, purge: bool = False) -> wire.Removal:
        self.calls.append(("delete", (ref, purge)))
        removal = self.data(ref)
        del self.clusters[self.get(ref).name]
        return removal

    def connection(self, ref: str) -> wire.Connection:
        return wire.Connection(
            name=self.get(ref).name,
            spark="4.3.0",
            remote="sc://localhost:15002",
            token="the token's value",
            master="spark://127.0.0.1:7077",
            rpc_secret="the secret's value",
            workspace="/home/me/work space",
            python="/usr/bin/python3",
        )

    def version(self) -> wire.Version:
        return wire.Version(version="0.1.0", api=1, pid=812, installation="i-1")

    def health(self) -> wire.Health:
        return wire.Health(status="ok", dependencies={"store": "ok"}, orphans=self.orphans)

    def purge_orphans(self) -> wire.Orphans:
        removed, self.orphans = self.orphans, []
        return wire.Orphans(removed=removed)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The server that commands ask."""
    fake = FakeServer()
    monkeypatch.setattr(target, "client", lambda: fake)
    monkeypatch.setattr(target, "running_client", lambda: fake)
    monkeypatch.setattr(
        glance,
        "clusters",
        lambda _settings: [view.model_dump(mode="json") for view in fake.list_clusters().clusters],
    )
    monkeypatch.setattr(glance, "orphans", lambda _settings: fake.orphans)
    return fake


@pytest.fixture
def new_cluster() -> Callable[..., wire.ClusterView]:
    """Makes views of clusters."""
    return cluster


@pytest.fixture
def fireside() -> Callable[..., Any]:
    """Runs a command line; returns the result with `exit_code`, `stdout` and `stderr`."""

    def run(*arguments: str, stdin: str | None = None) -> Any:
        result = CliRunner().invoke(main.app, list(arguments), input=stdin, prog_name="fireside")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
