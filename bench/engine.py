"""100, 300 and 1,000 clusters on the fake backend: time for each at 1,000, compared with time for each at 100."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fireside.engine.clock import SystemClock
from fireside.engine.service import Engine
from fireside.errors import NotFound
from fireside.ports import Step, StepKind
from fireside.stores.sql import SqlStore
from fireside.testing.backend import FakeBackend, FakeMachine
from fireside.testing.probe import FakeProbe
from report import in_turn, report

SIZES = (100, 300, 1000)
IDLE_SECONDS = 10.0
OWNER = "bench"


@dataclass
class Run:
    """An engine on a fake machine and a real store, and what was counted while it ran."""

    engine: Engine
    steps: int = 0
    calls: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[None]:
        """Look at a cluster again and again meanwhile, as users do, and note how long each call takes."""
        asking = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            asking.cancel()

    async def _ask(self) -> None:
        while True:
            began = time.perf_counter()
            await self.engine.get(OWNER, "first")
            self.calls.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(home: Path) -> AsyncIterator[Run]:
    """Run an engine with one cluster: what is loaded at first use is not another cluster's."""
    clock = SystemClock()
    machine = FakeMachine(clock)
    store = await SqlStore.open(home / "fireside.db")
    backends = {"local": FakeBackend(machine)}
    engine = Engine(store=store, backends=backends, probe=FakeProbe(machine), clock=clock, holder="bench")
    run = Run(engine)
    begin_step = store.begin_step

    async def counted(cluster_id: str, generation: int, kind: StepKind, subject: str, at: datetime) -> Step:
        run.steps += 1
        return await begin_step(cluster_id, generation, kind, subject, at)

    store.begin_step = counted  # type: ignore[method-assign]
    running = asyncio.create_task(engine.run())
    await engine.create(OWNER, {"name": "first"})
    await engine.wait(OWNER, "first")
    try:
        yield run
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await store.close()


async def measure(clusters: int, home: Path) -> dict[str, float]:
    """Create `clusters`, wait until all are ready, leave them idle, delete them; return what it took."""
    names = [f"c{number}" for number in range(clusters)]
    async with opened(home) as run:
        memory, run.steps = resident(), 0
        async with run.asked():
            created, ready = await make(run.engine, names)
        used = resident() - memory
        await asyncio.sleep(2)
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.sleep(IDLE_SECONDS)
        idle = (time.process_time() - cpu) / (time.perf_counter() - wall)
        async with run.asked():
            deleted = await end(run.engine, names)
        total = ready + deleted
        return {
            "seconds_each": total / clusters,
            "create_each": created / clusters,
            "ready_each": ready / clusters,
            "delete_each": deleted / clusters,
            "steps_per_second": run.steps / total,
            "call_p50": percentile(run.calls, 0.5),
            "call_p99": percentile(run.calls, 0.99),
            "idle_cpu": idle,
            "kib_each": used / 1024 / clusters,
        }


async def make(engine: Engine, names: list[str]) -> tuple[float, float]:
    """Create all at once; return the seconds until all wishes were durable, and until all were ready."""
    began = time.perf_counter()
    await asyncio.gather(*(engine.create(OWNER, {"name": name, "workers": 2}) for name in names))
    created = time.perf_counter() - began
    await asyncio.gather(*(engine.wait(OWNER, name) for name in names))
    return created, time.perf_counter() - began


async def end(engine: Engine, names: list[str]) -> float:
    """Delete all at once; return the seconds until all were forgotten."""
    began = time.perf_counter()
    await asyncio.gather(*(engine.delete(OWNER, name, purge=True) for name in names))
    await asyncio.gather(*(gone(engine, name) for name in names))
    return time.perf_counter() - began


async def gone(engine: Engine, name: str) -> None:
    """Wait until a cluster is forgotten."""
    with suppress(NotFound):
        await engine.wait(OWNER, name)


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def resident() -> int:
    """Return the bytes of memory that this process has now; its most where the system tells no better."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_a_process(clusters: int) -> dict[str, float]:
    """Measure in a fresh process, so that sizes do not share memory or caches."""
    command = [sys.executable, __file__, "--measure", str(clusters)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {clusters} clusters: " + ", ".join(f"{name} {value:.4g}" for name, value in result.items()), flush=True)
    return result


def main() -> None:
    """Measure the smallest and the largest size in turn, the middle once, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        with tempfile.TemporaryDirectory(prefix="fs-bench-") as home:
            print(json.dumps(asyncio.run(measure(options.measure, Path(home)))))
        return
    seen: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}

    def each(size: int) -> Callable[[], float]:
        def once() -> float:
            seen[size].append(in_a_process(size))
            return seen[size][-1]["seconds_each"]

        return once

    each(SIZES[1])()
    pairs = in_turn(options.rounds, each(SIZES[-1]), each(SIZES[0]))
    medians = {
        size: {name: statistics.median(row[name] for row in rows) for name in rows[0]} for size, rows in seen.items()
    }
    report(
        "engine",
        pairs,
        unit="seconds for each cluster, created, ready and deleted, at 1,000 over at 100",
        goal=1.1,
        details={
            "growth_exponent": round(exponent({size: row["seconds_each"] * size for size, row in medians.items()}), 3),
            **{str(size): {name: round(value, 5) for name, value in row.items()} for size, row in medians.items()},
        },
    )


def exponent(totals: dict[int, float]) -> float:
    """Return the slope of log(total time) over log(clusters): 1 is linear."""
    slope, _ = statistics.linear_regression([math.log(n) for n in totals], [math.log(t) for t in totals.values()])
    return slope


if __name__ == "__main__":
    main()
