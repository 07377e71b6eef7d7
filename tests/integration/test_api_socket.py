"""The API as its clients use it: real HTTP over the Unix socket, a real engine, a backend that is a fake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from fireside import wire
from fireside.assembly import Assembled
from fireside.client import rendezvous
from fireside.client.aio import AsyncClient
from fireside.client.blocking import Client
from fireside.client.cluster import Cluster
from fireside.engine.clock import SystemClock
from fireside.engine.service import Engine
from fireside.errors import Conflict, DoesNotFit, InvalidSpec, NotFound, TimedOut, Unavailable
from fireside.gateway.life import serve
from fireside.settings import Settings
from fireside.testing.backend import FakeBackend
from fireside.testing.memory_store import MemoryStore
from fireside.testing.probe import FakeProbe

LIMIT = 30.0


class Server:
    """A server in this process, on a socket of its own."""

    def __init__(self, home: Path) -> None:
        self.meeting = rendezvous.prepare(Settings(home=home))
        self.backend = FakeBackend()
        self.ending = asyncio.Event()
        self.started = asyncio.Event()

    @property
    def socket(self) -> Path:
        return self.meeting.socket

    async def run(self) -> None:
        clock = SystemClock()
        engine = Engine(
            store=MemoryStore(),
            backends={"local": self.backend},
            probe=FakeProbe(self.backend.machine),
            clock=clock,
            holder="test",
        )
        await serve(Assembled(engine, "test", clock), self.meeting, self.ending, started=self.started.set)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    found = Server(tmp_path / "home")
    running = asyncio.create_task(found.run())
    started = asyncio.create_task(found.started.wait())
    await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
    yield found
    started.cancel()
    found.ending.set()
    async with asyncio.timeout(LIMIT):
        await running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.socket) as found:
        yield found


async def test_the_life_of_a_cluster(client: AsyncClient) -> None:
    created = await client.create({"name": "etl", "workers": 2})
    assert created.desired == "running"
    ready = await client.wait("etl", LIMIT)
    assert (ready.phase, ready.workers_ready, ready.workers_wanted) == ("ready", 2, 2)
    assert (await client.get(created.id)).name == "etl"
    assert [each.name for each in (await client.list_clusters()).clusters] == ["etl"]

    await client.scale("etl", 3)
    assert (await client.wait("etl", LIMIT)).workers_ready == 3

    changed = await client.change("etl", {"workers": 1})
    assert changed.workers_wanted == 1
    assert (await client.wait("etl", LIMIT)).workers_ready == 1

    await client.restart("etl", ["connect"])
    assert (await client.wait("etl", LIMIT)).phase == "ready"

    await client.stop("etl")
    assert (await client.wait("etl", LIMIT)).phase == "stopped"

    removal = await client.delete("etl", purge=True)
    assert removal.name == "etl"
    with contextlib.suppress(NotFound):  # gone before we asked
        assert (await client.wait("etl", LIMIT)).desired == "deleted"
    assert (await client.list_clusters()).clusters == []


async def test_an_empty_wish_is_a_cluster(client: AsyncClient) -> None:
    # DYN-05, W-01
    assert (await client.create({})).name == "default"


async def test_two_ups_at_once_with_one_name_are_one_cluster(client: AsyncClient) -> None:
    # W-06, W-30
    views = await asyncio.gather(*(client.create({"name": "etl", "workers": 1}) for _ in range(2)))
    assert len({view.id for view in views}) == 1
    assert len((await client.list_clusters()).clusters) == 1


async def test_twenty_creates_at_once_are_twenty_clusters(client: AsyncClient) -> None:
    views = await asyncio.gather(*(client.create({"name": f"c{number}", "workers": 1}) for number in range(20)))
    assert len({view.id for view in views}) == 20


async def test_the_first_create_is_told_apart_from_the_next(server: Server) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(server.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as plain:
        body = {"spec": {"name": "etl", "workers": 1}}
        answers = [await plain.post("/clusters", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]  # W-07
    assert answers[0].headers["content-type"] == "application/json; charset=utf-8"


async def test_a_different_spec_is_a_conflict_unless_told_otherwise(client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    with pytest.raises(Conflict):
        await client.create({"name": "etl", "workers": 2})
    merged = await client.create({"name": "etl", "workers": 2}, change="merge")
    assert merged.workers_wanted == 2


async def test_what_was_shown_is_what_is_applied(client: AsyncClient) -> None:
    view = await client.create({"name": "etl", "workers": 1})
    proposal = await client.plan({"name": "etl", "workers": 2}, change="merge")
    assert (proposal.change.action, proposal.generation) == ("change", view.generation)
    await client.scale("etl", 3)
    with pytest.raises(Conflict):
        await client.create({"name": "etl", "workers": 2}, change="merge", expected_generation=proposal.generation)
    with pytest.raises(Conflict):
        await client.change("etl", {"workers": 2}, expected_generation=proposal.generation)


async def test_a_plan_makes_nothing(client: AsyncClient, server: Server) -> None:
    proposal = await client.plan({"name": "etl", "workers": 2})
    assert proposal.change.action == "create"
    assert (await client.list_clusters()).clusters == []


async def test_a_cluster_cannot_be_renamed(client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    with pytest.raises(InvalidSpec, match="renamed"):
        await client.change("etl", {"name": "other"})


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "a/b"},
        {"name": "x" * 80},
        {"name": "🔥"},
        {"name": True},
        {"workers": 0},
        {"workers": 10_000},
        {"workers": {"memory": "lots"}},
        {"workers": {"memory": "-1"}},
        {"wokers": 2},
        {"workers": [1]},
    ],
)
async def test_a_spec_that_cannot_be_names_its_field(client: AsyncClient, spec: dict[str, object]) -> None:
    with pytest.raises((InvalidSpec, DoesNotFit)) as caught:
        await client.create(spec)
    assert caught.value.field
    assert (await client.list_clusters()).clusters == []


async def test_nobody_is_not_found_everywhere(client: AsyncClient) -> None:
    # W-09: a missing cluster is 404 with our shape, on every route, streams included.
    calls = [
        client.get("nobody"),
        client.scale("nobody", 1),
        client.restart("nobody"),
        client.stop("nobody"),
        client.delete("nobody"),
        client.data("nobody"),
        client.connection("nobody"),
        client.wait("nobody", 1),
        client.change("nobody", {}),
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [NotFound] * len(calls)
    for stream in (client.events("nobody"), client.logs("nobody"), client.logs("nobody", node="x")):
        with pytest.raises(NotFound):
            await anext(aiter(stream))


async def test_events_are_told_in_order_and_followed(client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    seen: list[wire.EventView] = []
    async with asyncio.timeout(LIMIT):
        async for event in client.events("etl", follow=True):
            seen.append(event)
            if event.kind == "cluster.ready":
                break
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
    again = [event async for event in client.events("etl", after=1)]
    assert again[0].seq == 2


async def test_logs_name_a_node_that_there_is(client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    await client.wait("etl", LIMIT)
    assert {line.node async for line in client.logs("etl", node="master")} <= {"master"}
    with pytest.raises(NotFound) as caught:
        await anext(aiter(client.logs("etl", node="worker-9")))
    assert "worker-1" in (caught.value.allowed or "")


async def test_a_wait_ends_at_its_limit_and_says_what_for(client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    with pytest.raises(TimedOut) as caught:
        await client.wait("etl", 0)
    assert "etl" in caught.value.message


async def test_a_connection_is_for_running_clusters(client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    await client.wait("etl", LIMIT)
    found = await client.connection("etl")
    assert (found.remote or "").startswith("sc://localhost:")
    assert found.token
    assert found.token not in repr(found)
    await client.stop("etl")
    await client.wait("etl", LIMIT)
    with pytest.raises(Unavailable):
        await client.connection("etl")


async def test_no_other_answer_carries_a_secret(client: AsyncClient, server: Server) -> None:
    await client.create({"name": "etl", "workers": 1})
    await client.wait("etl", LIMIT)
    found = await client.connection("etl")
    transport = httpx.AsyncHTTPTransport(uds=str(server.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as plain:
        for path in ("/clusters", "/clusters/etl", "/clusters/etl/events", "/clusters/etl/data", "/health", "/version"):
            text = (await plain.get(path)).text
            assert (found.token or "?") not in text
            assert (found.rpc_secret or "?") not in text


async def test_the_server_says_how_it_is(client: AsyncClient) -> None:
    assert (await client.health()).status == "ok"
    assert (await client.version()).installation == "test"
    assert (await client.purge_orphans()).removed == []


async def test_streams_and_waits_end_when_the_server_does(server: Server, client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    await client.wait("etl", LIMIT)
    first = asyncio.Event()

    async def follow() -> None:
        async for _ in client.events("etl", follow=True):
            first.set()

    following = asyncio.create_task(follow())
    await asyncio.wait_for(first.wait(), LIMIT)
    await client.stop_server()
    async with asyncio.timeout(LIMIT):
        with pytest.raises(Unavailable):
            await following
    assert server.ending.is_set()


def streaming() -> int:
    """How many tasks wait for the next item of a stream."""
    return [task.get_name() for task in asyncio.all_tasks()].count("stream-next")


async def until_streaming(wanted: int) -> None:
    async with asyncio.timeout(LIMIT):
        while streaming() != wanted:  # noqa: ASYNC110 - nobody tells when a task of the server ends
            await asyncio.sleep(0)


async def test_a_client_that_leaves_frees_what_it_held(server: Server, client: AsyncClient) -> None:
    await client.create({"name": "etl", "workers": 1})
    await client.wait("etl", LIMIT)
    readers = [asyncio.create_task(_read(client)) for _ in range(5)]
    await until_streaming(5)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    await until_streaming(0)


async def _read(client: AsyncClient) -> None:
    async for _ in client.events("etl", follow=True):
        pass


async def test_the_socket_is_for_its_owner_alone(server: Server) -> None:
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700


async def test_the_blocking_side_sees_the_same(server: Server, client: AsyncClient) -> None:
    blocking = Client(server.socket)
    view = await asyncio.to_thread(blocking.create, {"name": "etl", "workers": 1})
    cluster = Cluster(blocking, view)
    await asyncio.to_thread(cluster.wait, LIMIT)
    assert await asyncio.to_thread(lambda: cluster.phase) == "ready"
    events = await asyncio.to_thread(lambda: list(cluster.events()))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert await client.get("etl") == await asyncio.to_thread(cluster.status)
    with pytest.raises(NotFound):
        await asyncio.to_thread(blocking.get, "nobody")


async def test_an_answer_is_compact_json_without_html(server: Server) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(server.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as plain:
        for path in ("/", "/docs", "/api/v1", "/api/v1/clusters"):
            answer = await plain.get(path)
            assert answer.headers["content-type"].startswith("application/json")
            json.loads(answer.text)
