"""A cluster as an object: what it asks of the server, what it shows, what leaving a `with` block means."""

from __future__ import annotations

import asyncio
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import fireside
from fireside import wire
from fireside.client import cluster as facade
from fireside.client import launch
from fireside.client.blocking import Client
from fireside.client.operations import A, Call, Stream
from fireside.errors import InternalError, NotFound, Refused, TimedOut, Unavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Told(Client):
    """A server in memory: clusters become ready when they are waited for, unless told otherwise."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.views: dict[str, wire.ClusterView] = {}
        self.asked: list[Call[Any]] = []
        self.waits: list[Exception] = []
        self.ends_as = "ready"
        self.happened: list[str] = ["accepted"]
        self.silent_streams = 0
        """How many streams end with the server."""

    def send(self, call: Call[A]) -> A:
        self.asked.append(call)
        return call.answer.model_validate(self._answer(call).model_dump())

    def stream(self, call: Stream[A]) -> Iterator[A]:
        if self.silent_streams:
            self.silent_streams -= 1
            raise Unavailable("the server ends")
        events = [
            wire.EventView(seq=seq, at=NOW, kind="note", message=message)
            for seq, message in enumerate(self.happened, 1)
            if seq > call.query["after"]
        ]
        return iter([call.answer.model_validate(event.model_dump()) for event in events])

    def requests(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.asked]

    def spec(self) -> Mapping[str, Any]:
        bodies = [call.body for call in self.asked if isinstance(call.body, wire.CreateRequest)]
        return bodies[-1].spec

    def _answer(self, call: Call[Any]) -> wire.Form:
        _, _, name, *rest = [*call.path.split("/"), ""]
        match call.method, rest[:1]:
            case "GET", [] | [""] if not name:
                return wire.ClusterList(clusters=list(self.views.values()))
            case "POST", [] | [""]:
                assert isinstance(call.body, wire.CreateRequest)
                return self._put(str(call.body.spec.get("name", "default")), "running", "starting")
            case "POST", ["stop"]:
                self._get(name)
                return self._put(name, "stopped", "stopping")
            case "DELETE", _:
                self.views.pop(name)
                return wire.Removal(name=name)
            case "GET", ["wait"]:
                return self._wait(name)
        return self._get(name)

    def _wait(self, name: str) -> wire.ClusterView:
        if self.waits:
            raise self.waits.pop(0)
        view = self._get(name)
        self.happened.append("settled")
        return self._put(name, view.desired, self.ends_as if view.desired == "running" else "stopped")

    def _get(self, name: str) -> wire.ClusterView:
        if name not in self.views:
            raise NotFound(f"no cluster {name}")
        return self.views[name]

    def _put(self, name: str, desired: str, phase: str) -> wire.ClusterView:
        self.views[name] = wire.ClusterView(
            id=name,
            name=name,
            owner="me",
            backend="local",
            topology="standalone",
            spark="4.3.0",
            desired=desired,
            phase=phase,
            message="no room <b>" if phase == "failed" else None,
            since=NOW,
            created_at=NOW,
            generation=1,
            observed_generation=1,
            workers_ready=1,
            workers_wanted=2,
            links={"master": "http://127.0.0.1:8080"},
        )
        return self.views[name]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(launch, "open_client", lambda settings=None, progress=None: told)
    return told


def test_up_creates_waits_and_returns_it(server: Told) -> None:
    cluster = fireside.up("etl", workers=2)
    assert (cluster.name, cluster.phase) == ("etl", "ready")
    assert server.spec()["workers"] == 2
    assert server.spec()["spark"]["python"] == sys.executable


def test_up_takes_a_spec_and_keywords_go_over_it(server: Told) -> None:
    fireside.up(spec=fireside.ClusterSpec.model_validate({"name": "a", "workers": {"memory": "2g"}}), overcommit=True)
    assert server.spec()["workers"] == {"memory": "2g"}
    assert server.spec()["overcommit"] is True
    fireside.up("b", spec={"name": "a", "topology": "single"})
    assert (server.spec()["name"], server.spec()["topology"]) == ("b", "single")


def test_a_name_alone_means_the_cluster_as_it_is(server: Told) -> None:
    fireside.up("etl", workers=2)
    fireside.up("etl")
    assert server.spec() == {"name": "etl"}


def test_the_same_again_asks_for_the_same(server: Told) -> None:
    fireside.up("etl", workers=2)
    first = server.spec()
    fireside.up("etl", workers=2)
    assert server.spec() == first


def test_a_change_of_some_fields_leaves_the_python_alone(server: Told) -> None:
    fireside.up("etl", workers=2)
    fireside.up("etl", workers=3, change="merge")
    assert server.spec() == {"name": "etl", "workers": 3}


def test_a_with_block_stops_what_it_started(server: Told) -> None:
    with fireside.up("etl"):
        pass
    assert server.views["etl"].phase == "stopped"
    with fireside.up("etl"):  # it was stopped: this starts it
        pass
    assert server.requests().count("POST /clusters/etl/stop") == 2


def test_a_with_block_leaves_what_ran_before(server: Told) -> None:
    fireside.up("etl")
    with fireside.up("etl"):
        pass
    assert "POST /clusters/etl/stop" not in server.requests()


def test_a_with_block_lets_the_error_through(server: Told) -> None:
    with pytest.raises(ZeroDivisionError), fireside.up("etl"):
        _ = 1 / 0
    assert server.views["etl"].phase == "stopped"


def test_a_with_block_does_not_mind_that_it_was_deleted_inside(server: Told) -> None:
    with fireside.up("etl") as cluster:
        cluster.down(purge=True)
    assert server.views == {}


def test_down_with_purge_deletes_and_waits_until_it_is_gone(server: Told) -> None:
    fireside.up("etl").down(purge=True)
    assert server.asked[-2].query == {"purge": True}
    assert server.requests()[-1] == "GET /clusters/etl/wait"


def test_a_cluster_that_failed_raises_its_reason(server: Told) -> None:
    server.ends_as = "failed"
    with pytest.raises(Refused, match="etl failed: no room") as caught:
        fireside.up("etl")
    assert caught.value.hint == "fireside logs etl --tail 50; then: fireside restart etl"


def test_a_wait_that_takes_too_long_names_what_it_waits_for(server: Told) -> None:
    server.waits = [TimedOut("etl is starting: worker-2")]
    with pytest.raises(TimedOut, match="worker-2"):
        fireside.up("etl", timeout=0)


def test_a_server_that_ends_meanwhile_is_asked_again(server: Told) -> None:
    server.waits = [Unavailable("the server ends")]
    assert fireside.up("etl").phase == "ready"


def test_a_server_that_ends_meanwhile_hides_no_event(server: Told) -> None:
    told: list[str] = []
    server.waits = [Unavailable("the server ends")]
    server.silent_streams = 1
    assert fireside.up("etl", progress=told.append).phase == "ready"
    assert told == ["accepted", "settled"]


def test_an_error_of_ours_is_not_waited_out(server: Told) -> None:
    server.waits = [InternalError("a bug")]
    with pytest.raises(InternalError):
        fireside.up("etl")


def test_progress_is_told_each_event_once(server: Told) -> None:
    told: list[str] = []
    server.waits = [TimedOut("still starting"), TimedOut("still starting")]
    fireside.up("etl", progress=told.append)
    assert told == ["accepted", "settled"]
    told.clear()
    fireside.up("etl", progress=told.append)
    assert told == ["settled"]


def test_an_interrupt_says_that_it_goes_on(server: Told) -> None:
    server.waits = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt) as caught:
        fireside.up("etl")
    assert "fireside down etl" in caught.value.__notes__[0]


def test_no_part_of_the_package_takes_the_place_of_a_public_name(server: Told) -> None:
    # A submodule becomes an attribute of its package when it is imported, whatever was there before.
    parts = {module.name for module in pkgutil.iter_modules(fireside.__path__)}
    assert not parts & set(fireside.__all__)


def test_cluster_and_clusters_find_what_there_is(server: Told) -> None:
    fireside.up("b")
    fireside.up("a")
    assert fireside.cluster("a").name == "a"
    assert {cluster.name for cluster in fireside.clusters()} == {"a", "b"}
    with pytest.raises(NotFound):
        fireside.cluster("c")


async def test_it_works_inside_a_running_loop(server: Told) -> None:
    # A notebook cell runs in one.
    assert asyncio.get_running_loop().is_running()
    assert fireside.up("etl").phase == "ready"


def test_what_is_shown_is_escaped_and_short(server: Told) -> None:
    cluster = fireside.up("etl")
    assert repr(cluster) == "<fireside.Cluster 'etl': ready, 1/2 workers>"
    server._put("etl", "running", "failed")
    cluster.status()
    page = cluster._repr_html_()
    assert "no room &lt;b&gt;" in page
    assert 'href="http://127.0.0.1:8080"' in page


def test_the_keywords_of_up_are_the_fields_of_a_spec() -> None:
    assert set(facade.Fields.__annotations__) == set(fireside.ClusterSpec.model_fields) - {"name"}
