"""A crash of the engine after every single recorded point of every wish: the spec is reached again.

No acknowledged change is lost, nothing is left over, nothing is restarted that need not be (issue 3, "What must be
seen"; W-05, W-17).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from fireside.engine.service import Engine
from fireside.errors import FiresideError, NotFound
from fireside.model.state import Desired, Phase
from fireside.ports import ClusterRecord, Store
from fireside.testing.backend import FakeBackend, FakeMachine
from fireside.testing.clock import FakeClock
from fireside.testing.crash import CrashingStore
from fireside.testing.memory_store import MemoryStore
from fireside.testing.probe import FakeProbe

OWNER = "ada"
NAME = "demo"
Wish = Callable[[Engine], Awaitable[object]]


async def up(engine: Engine) -> None:
    await engine.create(OWNER, {"name": NAME, "workers": 2})


async def scale_up(engine: Engine) -> None:
    await engine.scale(OWNER, NAME, 4)


async def scale_down(engine: Engine) -> None:
    await engine.scale(OWNER, NAME, 1)


async def restart(engine: Engine) -> None:
    await engine.restart(OWNER, NAME, [])


async def change(engine: Engine) -> None:
    await engine.create(OWNER, {"name": NAME, "workers": {"count": 2, "memory": "3g"}}, mode="replace")


async def down(engine: Engine) -> None:
    await engine.stop(OWNER, NAME)


async def up_again(engine: Engine) -> None:
    await engine.create(OWNER, {"name": NAME})


async def delete(engine: Engine) -> None:
    await engine.delete(OWNER, NAME, purge=True)


@dataclass
class World:
    """A store and a machine that outlive engines."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    machine: FakeMachine = field(init=False)
    backend: FakeBackend = field(init=False)

    def __post_init__(self) -> None:
        self.machine = FakeMachine(self.clock)
        self.backend = FakeBackend(self.machine, ready_after=1.0)

    def engine(self, store: Store | None = None) -> Engine:
        return Engine(
            store=store or self.store,
            backends={"local": self.backend},
            probe=FakeProbe(self.machine),
            clock=self.clock,
            holder="here",
        )

    async def live(self, wish: Wish | None, store: Store | None = None) -> None:
        """Run an engine until a wish is fulfilled, and end it."""
        engine = self.engine(store)
        running = asyncio.create_task(engine.run())
        try:
            if wish is not None:
                await self.clock.run(_done(wish(engine)))
            await self.settle(engine)
        finally:
            await ended(running)

    async def settle(self, engine: Engine) -> None:
        with suppress(NotFound):
            await self.clock.run(engine.wait(OWNER, NAME))

    async def crash(self, wish: Wish, at: int) -> tuple[str, bool]:
        """Run an engine into a crash; return where it was, and whether the wish had been acknowledged."""
        store = CrashingStore(self.store, at)
        engine = self.engine(store)
        running = asyncio.create_task(engine.run())
        wishing = asyncio.ensure_future(_done(wish(engine)))
        try:
            await self.clock.run_until(store.crashed.is_set)
            return store.points[-1], wishing.done()
        finally:
            await ended(running)
            await ended(wishing)


async def _done(wish: Awaitable[object]) -> None:
    await wish


async def ended(task: asyncio.Future[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, FiresideError):
        await task


async def record_of(world: World) -> ClusterRecord | None:
    return await world.store.find(OWNER, NAME)


async def check_reached(world: World) -> None:
    """Hold what is there against what is wanted."""
    record = await record_of(world)
    if record is None or record.desired is Desired.STOPPED:
        assert not world.machine.nodes
    if record is None:
        assert not world.machine.secrets
        return
    assert record.status.observed_generation == record.generation
    assert await world.store.open_steps(record.id) == []
    if record.desired is Desired.RUNNING:
        assert record.status.phase is Phase.READY
        there = {name: node.digest for name, node in world.machine.of(record.id).items()}
        assert there == {node.name: record.plan.digest(node.role) for node in record.plan.nodes()}
        assert all(node.restarts == 0 for node in record.status.nodes.values()), "a crash was taken for a death"
    else:
        assert record.status.phase is Phase.STOPPED


SCENARIOS: dict[str, tuple[list[Wish], Wish]] = {
    "up": ([], up),
    "scale up": ([up], scale_up),
    "scale down": ([up, scale_up], scale_down),
    "restart": ([up], restart),
    "change": ([up], change),
    "down": ([up], down),
    "up again": ([up, down], up_again),
    "delete": ([up], delete),
    "delete what is stopped": ([up, down], delete),
}


async def prepared(before: list[Wish]) -> World:
    world = World()
    for wish in before:
        await world.live(wish)
    return world


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_crash_at_any_point_is_healed_by_the_next_engine(name: str) -> None:
    before, wish = SCENARIOS[name]
    world = await prepared(before)
    counting = CrashingStore(world.store)
    await world.live(wish, counting)
    await check_reached(world)
    assert len(counting.points) > 3
    for point in range(len(counting.points)):
        world = await prepared(before)
        where, acknowledged = await world.crash(wish, point)
        wished = await record_of(world)
        await world.live(None if acknowledged else wish)
        reached = await record_of(world)
        if wished is not None and reached is not None and acknowledged:
            assert reached.generation == wished.generation, f"the wish was lost at point {point}: {where}"
        await check_reached(world)


@pytest.mark.parametrize("name", ["up", "scale down", "change", "delete"])
async def test_a_second_crash_while_healing_the_first_is_healed_too(name: str) -> None:
    before, wish = SCENARIOS[name]
    world = await prepared(before)
    counting = CrashingStore(world.store)
    await world.live(wish, counting)
    for point in range(2, len(counting.points) - 2, 3):
        world = await prepared(before)
        await world.crash(wish, point)
        await world.crash(wish, 1)
        await world.live(wish)
        await check_reached(world)


async def test_a_crash_while_a_node_is_replaced_is_not_taken_for_its_death() -> None:
    world = await prepared([up])
    world.backend.gap = 5.0
    engine = world.engine()
    running = asyncio.create_task(engine.run())
    await world.clock.run(_done(restart(engine)))
    record = await record_of(world)
    assert record is not None
    await world.clock.run_until(lambda: "worker-2" not in world.machine.of(record.id))
    await ended(running)
    await world.live(None)
    await check_reached(world)
