"""The command line against the real API and engine over a real socket; only the machine underneath is a fake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fireside.assembly import Assembled
from fireside.cli import main
from fireside.client import rendezvous
from fireside.engine.clock import SystemClock
from fireside.engine.service import Engine
from fireside.gateway.life import serve
from fireside.settings import Settings
from fireside.testing.backend import FakeBackend
from fireside.testing.memory_store import MemoryStore
from fireside.testing.probe import FakeProbe

Run = Callable[..., Awaitable[Any]]
LIMIT = 30.0


@pytest.fixture
async def fireside(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """Runs command lines in a thread, beside a server in this process."""
    monkeypatch.setenv("FIRESIDE_HOME", str(short_tmp))
    # The fake machine has no interpreters to ask.
    monkeypatch.setattr("fireside.client.caller.with_caller", dict)
    meeting = rendezvous.prepare(Settings(home=short_tmp))
    backend, clock, started, ending = FakeBackend(), SystemClock(), asyncio.Event(), asyncio.Event()
    engine = Engine(
        store=MemoryStore(),
        backends={"local": backend},
        probe=FakeProbe(backend.machine),
        clock=clock,
        holder="test",
    )
    serving = asyncio.create_task(serve(Assembled(engine, "test", clock), meeting, ending, started=started.set))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(main.app, list(arguments), prog_name="fireside")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    yield lambda *arguments: asyncio.to_thread(run, *arguments)
    waiting.cancel()
    ending.set()
    async with asyncio.timeout(LIMIT):
        await serving


async def test_a_cluster_goes_up_is_changed_as_shown_and_comes_down(fireside: Run) -> None:
    up = await fireside("up", "etl", "-w", "2", "--cores", "1")
    assert up.exit_code == 0, up.stderr
    assert up.stdout.startswith("'etl' is ready: Spark ")
    assert "etl is ready" in up.stderr

    [listed] = json.loads((await fireside("ps", "--json")).stdout)["clusters"]
    assert (listed["name"], listed["phase"], listed["workers_ready"]) == ("etl", "ready", 2)

    refused = await fireside("up", "etl", "-w", "3")
    assert refused.exit_code == 4
    assert "workers.count: 2 → 3" in refused.stderr

    changed = await fireside("up", "etl", "-w", "3", "--yes", "--json")
    assert changed.exit_code == 0, changed.stderr
    assert json.loads(changed.stdout)["workers_ready"] == 3

    scaled = await fireside("scale", "etl", "1")
    assert scaled.stdout == "'etl' is ready with 1 of 1 workers\n", scaled.stderr

    down = await fireside("down")
    assert down.stdout.startswith("'etl' is stopped"), down.stderr
    assert (await fireside("down")).stdout == "'etl' is stopped already\n"
    assert (await fireside("purge", "etl", "--yes")).exit_code == 0
    assert (await fireside("status", "etl")).exit_code == 3


async def test_up_again_changes_nothing(fireside: Run) -> None:
    first = json.loads((await fireside("up", "--json")).stdout)
    again = await fireside("up", "--json")
    assert again.exit_code == 0, again.stderr
    second = json.loads(again.stdout)
    assert (first["id"], first["generation"]) == (second["id"], second["generation"])


async def test_what_cannot_fit_is_refused_with_the_numbers_that_would(fireside: Run) -> None:
    refused = await fireside("up", "--memory", "60000g", "--json")
    assert refused.exit_code == 2
    problem = json.loads(refused.stderr)
    assert problem["code"] == "does_not_fit"
    assert (await fireside("ps")).stdout == "No clusters. Start one: fireside up\n"


async def test_explain_prints_sums_that_add_up(fireside: Run) -> None:
    # TRB-08, STD-15
    proposal = json.loads((await fireside("explain", "--json")).stdout)
    for each in proposal["sums"]:
        assert sum(each["parts"].values()) == each["limit"]
    assert sum(each["count"] * each["limit"] for each in proposal["sums"]) == proposal["total_memory"]


async def test_events_and_logs_are_kept_after_down(fireside: Run) -> None:
    await fireside("up")
    await fireside("down")
    told = (await fireside("events")).stdout
    assert "cluster.ready" in told
    assert "cluster.stopped" in told


async def test_the_server_says_how_it_is_and_ends_when_asked(fireside: Run) -> None:
    status = json.loads((await fireside("server", "status", "--json")).stdout)
    assert (status["running"], status["health"]["status"]) == (True, "ok")
