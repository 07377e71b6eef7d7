"""The engine against a world that misbehaves: deaths, silence, blindness, lies, hanging calls, jumps, reboots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from fireside.engine.service import Engine
from fireside.errors import Conflict, DoesNotFit, InvalidSpec, NotFound, Refused, TimedOut, Unavailable, Unsupported
from fireside.model.findings import Finding, Severity
from fireside.model.state import Desired, EventKind, NodePhase, Phase
from fireside.ports import ClusterRecord
from fireside.testing.backend import FakeBackend, FakeMachine
from fireside.testing.clock import FakeClock
from fireside.testing.faulty import Fault, FaultyBackend, How
from fireside.testing.memory_store import MemoryStore
from fireside.testing.probe import FakeProbe

ME = "ada"


@dataclass
class Lab:
    clock: FakeClock
    machine: FakeMachine
    backend: FakeBackend
    faulty: FaultyBackend
    store: MemoryStore
    engine: Engine
    probe: FakeProbe

    async def up(self, name: str = "demo", workers: int = 2, **fields: object) -> ClusterRecord:
        await self.engine.create(ME, {"name": name, "workers": workers, **fields})
        return await self.settled(name)

    async def settled(self, name: str = "demo") -> ClusterRecord:
        return await self.clock.run(self.engine.wait(ME, name))

    async def until(self, phase: Phase, name: str = "demo", *, limit: float = 600) -> ClusterRecord:
        return await self.until_record(lambda record: record.status.phase is phase, name, limit=limit)

    async def until_record(
        self, reached: Callable[[ClusterRecord], bool], name: str = "demo", *, limit: float = 600
    ) -> ClusterRecord:
        async def watch() -> ClusterRecord:
            while not reached(record := await self.engine.get(ME, name)):
                await self.clock.sleep(0.1)
            return record

        return await self.clock.run(watch(), limit=limit)

    async def kinds(self, name: str = "demo") -> list[EventKind]:
        return [event.kind async for event in self.engine.events(ME, name)]

    def incarnations(self, record: ClusterRecord) -> dict[str, str]:
        return {name: node.incarnation for name, node in self.machine.of(record.id).items()}


def new_engine(lab: Lab, holder: str = "here") -> Engine:
    return Engine(store=lab.store, backends={"local": lab.faulty}, probe=lab.probe, clock=lab.clock, holder=holder)


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def bench(*, ready_after: float = 1.0, sweep_held: str | None = None) -> Lab:
    clock = FakeClock()
    machine = FakeMachine(clock)
    backend = FakeBackend(machine, ready_after=ready_after)
    faulty = FaultyBackend(backend, clock)
    store = MemoryStore(sweep_held=sweep_held)
    probe = FakeProbe(machine)
    engine = Engine(store=store, backends={"local": faulty}, probe=probe, clock=clock, holder="here")
    return Lab(clock, machine, backend, faulty, store, engine, probe)


@asynccontextmanager
async def lab(*, ready_after: float = 1.0, sweep_held: str | None = None) -> AsyncIterator[Lab]:
    made = bench(ready_after=ready_after, sweep_held=sweep_held)
    async with running(made.engine):
        yield made


# --------------------------------------------------------------------------------------------- wishes


async def test_the_same_spec_again_changes_nothing() -> None:  # W-06, W-07
    async with lab() as here:
        first = await here.up()
        before = here.incarnations(first)
        again, new = await here.engine.create(ME, {"name": "demo", "workers": {"count": 2}})
        assert (again.id, again.generation, new) == (first.id, first.generation, False)
        assert here.incarnations(first) == before


async def test_two_creates_at_once_with_one_name_make_one_cluster() -> None:  # W-07, W-30
    async with lab() as here:
        wishes = [here.engine.create(ME, {"name": "demo", "workers": 2}) for _ in range(5)]
        answers = await asyncio.gather(*wishes)
        assert len({record.id for record, _ in answers}) == 1
        assert [new for _, new in answers].count(True) == 1


async def test_another_spec_is_refused_unless_a_change_is_asked_for() -> None:
    async with lab() as here:
        await here.up()
        with pytest.raises(Conflict, match=r"workers.count") as refused:
            await here.engine.create(ME, {"name": "demo", "workers": 3})
        assert refused.value.hint is not None
        record, _ = await here.engine.create(ME, {"name": "demo", "workers": 3}, mode="merge")
        assert record.spec.workers.count == 3


async def test_an_empty_spec_means_the_cluster_as_it_is() -> None:  # W-01
    async with lab() as here:
        first = await here.up("default", 3)
        again, _ = await here.engine.create(ME, {})
        assert again == first


async def test_a_plan_of_what_cannot_be_made_is_refused_as_its_creation_is() -> None:
    async with lab() as here:
        asked = {"name": "demo", "spark": {"conf": {"spark.master": "local"}}}
        with pytest.raises(InvalidSpec, match=r"spark\.master is set by Fireside"):
            await here.engine.propose(ME, asked)
        with pytest.raises(InvalidSpec, match=r"spark\.master is set by Fireside"):
            await here.engine.create(ME, asked)
        assert await here.engine.list_clusters(ME) == []


async def test_a_failing_preflight_makes_nothing() -> None:  # W-05
    async with lab() as here:
        here.backend.findings = [Finding(Severity.ERROR, "port 7077 is taken by pid 812", field="ports")]
        with pytest.raises(Refused, match="pid 812"):
            await here.engine.create(ME, {"name": "demo"})
        assert await here.engine.list_clusters(ME) == []
        assert not here.machine.nodes


async def test_what_cannot_be_is_refused_before_anything_is_stored() -> None:
    async with lab() as here:
        with pytest.raises(Unsupported, match="swarm") as unknown:
            await here.engine.create(ME, {"backend": "swarm"})
        assert unknown.value.allowed == "local"
        with pytest.raises(DoesNotFit):
            await here.engine.create(ME, {"workers": {"count": 1000, "memory": "60g"}})
        with pytest.raises(InvalidSpec):
            await here.engine.create(ME, {"wrokers": 2})
        assert await here.engine.list_clusters(ME) == []


async def test_a_stale_generation_is_a_conflict() -> None:
    async with lab() as here:
        record = await here.up()
        await here.engine.scale(ME, "demo", 3)
        with pytest.raises(Conflict, match="generation"):
            await here.engine.create(
                ME, {"workers": 4, "name": "demo"}, mode="merge", expected_generation=record.generation
            )


async def test_a_proposal_says_what_restarts_and_makes_nothing() -> None:
    async with lab() as here:
        await here.up()
        calls = len(here.faulty.calls)
        live = await here.engine.propose(ME, {"name": "demo", "workers": 3}, mode="merge")
        assert (live.action, live.restarts) == ("change", ())
        heavy = await here.engine.propose(ME, {"name": "demo", "workers": {"memory": "8g"}}, mode="merge")
        assert heavy.restarts
        assert (await here.engine.propose(ME, {"name": "demo"})).action == "nothing"
        assert (await here.engine.propose(ME, {"name": "new"})).action == "create"
        assert set(here.faulty.calls[calls:]) <= {"survey", "observe"}


async def test_an_owner_does_not_see_the_clusters_of_others() -> None:
    async with lab() as here:
        record = await here.up()
        for ref in ("demo", record.id):
            with pytest.raises(NotFound):
                await here.engine.get("eve", ref)


async def test_a_delete_that_would_lose_data_names_them_and_the_two_choices() -> None:
    async with lab() as here:
        record = await here.up()
        here.machine.data["fake", record.id] = [("/w/warehouse", 3 * 1024 * 1024)]
        with pytest.raises(Conflict, match=r"/w/warehouse \(3.0 MiB\)") as refused:
            await here.engine.delete(ME, "demo", purge=False)
        assert "--purge" in str(refused.value.hint)
        await here.engine.delete(ME, "demo", purge=True)
        await here.settled()
        assert (here.machine.nodes, here.machine.data, here.machine.secrets) == ([], {}, {})
        with pytest.raises(NotFound):
            await here.engine.get(ME, "demo")


async def test_up_while_it_stops_starts_it_again() -> None:
    async with lab() as here:
        await here.up()
        here.faulty.plan(Fault("remove", How.LATE, seconds=5))
        await here.engine.stop(ME, "demo")
        await here.until(Phase.STOPPING)
        await here.engine.create(ME, {"name": "demo"})
        record = await here.settled()
        assert record.status.phase is Phase.READY


async def test_twenty_creates_at_once_all_become_ready() -> None:
    async with lab() as here:
        await asyncio.gather(*(here.engine.create(ME, {"name": f"c{n}", "workers": 2}) for n in range(20)))
        for number in range(20):
            assert (await here.settled(f"c{number}")).status.phase is Phase.READY


# --------------------------------------------------------------------------------------- start and ready


async def test_a_cluster_is_not_ready_before_all_of_it_is() -> None:  # W-08, HLT-02
    async with lab() as here:
        await here.engine.create(ME, {"name": "demo", "workers": 4})
        record = await here.until_record(lambda record: "worker-4" in here.machine.of(record.id))
        here.backend.node(record.id, "worker-3").silent = True
        here.backend.node(record.id, "worker-4").silent = True
        await here.clock.advance(30)
        record = await here.engine.get(ME, "demo")
        assert record.status.phase is Phase.STARTING
        assert "worker-3 (not registered at the master yet)" in str(record.status.message)


async def test_workers_wait_for_the_master() -> None:
    async with lab(ready_after=10) as here:
        record, _ = await here.engine.create(ME, {"name": "demo", "workers": 2})
        await here.clock.advance(5)
        assert here.machine.running(record.id) == ["master"]
        record = await here.engine.get(ME, "demo")
        assert record.status.nodes["worker-1"].phase is NodePhase.WAITING


async def test_a_start_that_takes_too_long_ends_in_a_reason_and_leaves_nothing() -> None:
    async with lab(ready_after=10_000) as here:
        record = await here.up(timeouts={"ready": "60s"})
        assert (record.status.phase, record.status.reason) == (Phase.FAILED, "start-timeout")
        assert "not ready after 1m: it waits for master" in str(record.status.message)
        await here.clock.advance(5)
        assert not here.machine.nodes
        here.backend.ready_after = 1
        await here.engine.create(ME, {"name": "demo"})
        assert (await here.settled()).status.phase is Phase.READY


async def test_a_node_that_cannot_start_ends_the_start_at_once() -> None:
    async with lab(ready_after=5) as here:
        record, _ = await here.engine.create(ME, {"name": "demo"})
        await here.clock.run_until(lambda: bool(here.machine.nodes))
        here.backend.kill(record.id, "master", "port 7077 taken by pid 812", permanent=True)
        record = await here.settled()
        assert record.status.reason == "start-failed"
        assert "master: port 7077 taken by pid 812" in str(record.status.message)


async def test_a_node_that_dies_five_times_before_it_is_ready_ends_the_start() -> None:
    async with lab(ready_after=1000) as here:
        record, _ = await here.engine.create(ME, {"name": "demo"})
        for death in range(5):
            await here.clock.run_until(lambda: here.machine.running(record.id) == ["master"])
            here.backend.kill(record.id, "master", f"exit {death}")
            await here.clock.advance(0.5)
        record = await here.settled()
        assert "died 5 times before it was ready, the last time: exit 4" in str(record.status.message)
        assert here.clock.monotonic() < 1 + 2 + 4 + 8 + 8


async def test_an_apply_that_the_machine_refuses_ends_the_start_with_its_reason() -> None:
    async with lab() as here:
        here.faulty.plan(Fault("apply", How.HALF, error=Refused("no space left on /data", hint="free some")))
        record = await here.up()
        assert record.status.phase is Phase.FAILED
        assert "no space left on /data" in str(record.status.message)
        await here.clock.advance(5)
        assert not here.machine.nodes


@pytest.mark.parametrize("how", [How.REFUSE, How.HALF, How.LOST, How.HANG, How.LATE])
@pytest.mark.parametrize("method", ["put_secrets", "read_secrets", "apply", "observe", "dial"])
async def test_a_call_that_fails_for_a_while_only_delays_the_start(method: str, how: How) -> None:
    async with lab() as here:
        here.faulty.plan(Fault(method, how, times=2))
        record = await here.up(timeouts={"ready": "10m"})
        assert record.status.phase is Phase.READY


@pytest.mark.parametrize("how", [How.REFUSE, How.LOST, How.HANG, How.LATE])
async def test_a_remove_that_fails_is_tried_again_until_all_is_gone(how: How) -> None:  # W-17
    async with lab() as here:
        await here.up()
        here.faulty.plan(Fault("remove", how, times=3, error=Refused("pid 812 would not go")))
        await here.engine.stop(ME, "demo")
        record = await here.settled()
        assert record.status.phase is Phase.STOPPED
        assert not here.machine.nodes


# ------------------------------------------------------------------------------------------- healing


@pytest.mark.parametrize("node", ["master", "worker-1", "connect"])
async def test_a_killed_node_is_healed_and_nothing_else_is_touched(node: str) -> None:
    async with lab() as here:
        record = await here.up()
        before = here.incarnations(record)
        here.backend.kill(record.id, node)
        await here.until(Phase.DEGRADED)
        record = await here.until(Phase.READY)
        after = here.incarnations(record)
        assert {name for name in after if after[name] != before[name]} == {node}
        assert EventKind.NODE_EXITED in await here.kinds()


async def test_a_node_that_vanished_is_healed() -> None:
    async with lab() as here:
        record = await here.up()
        here.backend.lose(record.id, "worker-2")
        await here.until(Phase.DEGRADED)
        await here.until(Phase.READY)
        assert here.machine.running(record.id) == ["connect", "master", "worker-1", "worker-2"]


async def test_a_node_that_was_ready_may_die_often_and_comes_back_later_each_time() -> None:
    async with lab() as here:
        record = await here.up()
        waits = []
        for _ in range(8):
            here.backend.kill(record.id, "worker-1")
            began = here.clock.monotonic()
            await here.until(Phase.DEGRADED)
            await here.until(Phase.READY)
            waits.append(here.clock.monotonic() - began)
        assert waits[:6] == sorted(waits[:6])
        assert waits[0] < 4
        assert 60 < waits[-1] < 90


async def test_hints_are_not_needed() -> None:
    async with lab() as here:
        here.backend.hints = False
        record = await here.up()
        here.backend.kill(record.id, "worker-1")
        await here.until(Phase.DEGRADED)
        await here.until(Phase.READY)


async def test_a_server_that_runs_and_does_not_answer_is_told_and_not_killed() -> None:
    async with lab() as here:
        record = await here.up()
        before = here.incarnations(record)
        here.backend.node(record.id, "connect").silent = True
        record = await here.until(Phase.DEGRADED)
        assert record.status.nodes["connect"].phase is NodePhase.UNKNOWN
        await here.clock.advance(600)
        assert here.incarnations(record) == before
        here.backend.node(record.id, "connect").silent = False
        await here.until(Phase.READY)


async def test_a_blind_backend_makes_nobody_kill_or_restart_anything() -> None:
    async with lab() as here:
        record = await here.up()
        before = here.incarnations(record)
        here.backend.complete = False
        here.backend.hidden.add(record.id)
        await here.clock.advance(5)
        assert (await here.engine.get(ME, "demo")).status.phase is Phase.READY, "told before patience ended"
        record = await here.until(Phase.DEGRADED)
        await here.clock.advance(600)
        assert here.incarnations(record) == before
        here.backend.complete = True
        here.backend.hidden.clear()
        record = await here.until(Phase.READY)
        assert here.incarnations(record) == before
        assert EventKind.NODE_EXITED not in await here.kinds()


async def test_a_backend_that_lies_for_a_moment_costs_no_node() -> None:
    async with lab() as here:
        record = await here.up()
        before = here.incarnations(record)
        here.faulty.plan(Fault("observe", How.LIE, times=4))
        await here.clock.advance(300)
        record = await here.engine.get(ME, "demo")
        assert record.status.phase is Phase.READY
        assert here.incarnations(record) == before


async def test_clock_jumps_change_nothing() -> None:
    async with lab(ready_after=5) as here:
        await here.engine.create(ME, {"name": "demo", "workers": 2})
        for hours in (9, -30, 5, 48, -72):
            await here.clock.advance(1.7)
            here.clock.jump(hours * 3600)
        record = await here.settled()
        assert record.status.phase is Phase.READY
        before = here.incarnations(record)
        here.backend.kill(record.id, "worker-1")
        await here.until(Phase.DEGRADED)
        here.clock.jump(-36_000)
        await here.until(Phase.READY, limit=20)
        here.clock.jump(360_000)
        await here.clock.advance(60)
        after = here.incarnations(record)
        assert {name for name in after if after[name] != before[name]} == {"worker-1"}


# -------------------------------------------------------------------------------------------- changing


async def test_a_restart_replaces_one_node_at_a_time_in_order() -> None:
    async with lab() as here:
        record = await here.up()
        before = here.incarnations(record)
        await here.engine.restart(ME, "demo", [])
        await here.until(Phase.CHANGING)
        record = await here.settled()
        after = here.incarnations(record)
        assert all(after[name] != before[name] for name in before)
        started = [e.node async for e in here.engine.events(ME, "demo") if e.kind is EventKind.NODE_STARTED][4:]
        assert started == ["master", "worker-1", "worker-2", "connect"]
        assert all(node.restarts == 0 for node in record.status.nodes.values())


async def test_scaling_down_empties_the_worker_first_and_leaves_the_others() -> None:
    async with lab() as here:
        record = await here.up(workers=3)
        before = here.incarnations(record)
        here.backend.drained = False
        here.backend.node(record.id, "worker-3").children = 2
        await here.engine.scale(ME, "demo", 2)
        await here.clock.advance(20)
        assert here.backend.node(record.id, "worker-3").draining
        here.backend.node(record.id, "worker-3").children = 0
        record = await here.settled()
        del before["worker-3"]
        assert here.incarnations(record) == before


async def test_a_worker_that_never_gets_empty_goes_when_its_time_is_over() -> None:
    async with lab() as here:
        record = await here.up(workers=2, timeouts={"drain": "30s"})
        here.backend.drained = False
        here.backend.node(record.id, "worker-2").children = 1
        began = here.clock.monotonic()
        await here.engine.scale(ME, "demo", 1)
        record = await here.settled()
        assert record.status.phase is Phase.READY
        assert 30 <= here.clock.monotonic() - began < 35


async def test_a_worker_that_is_wanted_again_while_it_drains_is_replaced() -> None:
    async with lab() as here:
        record = await here.up(workers=2)
        here.backend.drained = False
        here.backend.node(record.id, "worker-2").children = 1
        await here.engine.scale(ME, "demo", 1)
        await here.clock.advance(5)
        await here.engine.scale(ME, "demo", 2)
        record = await here.settled()
        assert record.status.phase is Phase.READY
        assert not here.backend.node(record.id, "worker-2").draining


async def test_another_topology_replaces_all_of_it() -> None:
    async with lab() as here:
        record = await here.up()
        await here.engine.create(ME, {"name": "demo", "topology": "single"}, mode="replace")
        record = await here.settled()
        assert record.status.phase is Phase.READY
        assert here.machine.running(record.id) == ["connect"]


async def test_a_restart_clears_a_failure() -> None:
    async with lab(ready_after=10_000) as here:
        await here.up(timeouts={"ready": "5s"})
        here.backend.ready_after = 1
        await here.engine.restart(ME, "demo", ["worker"])
        assert (await here.settled()).status.phase is Phase.READY


# -------------------------------------------------------------------------- servers, machines, installations


async def test_a_new_engine_adopts_what_runs_and_restarts_nothing() -> None:
    here = bench()
    async with running(here.engine):
        record = await here.up()
    before = here.incarnations(record)
    here.engine = new_engine(here, "another")
    async with running(here.engine):
        await here.clock.advance(60)
        assert here.incarnations(record) == before
        assert (await here.engine.get(ME, "demo")).status.phase is Phase.READY
        assert await here.kinds() == [*(await here.kinds())[:-1], EventKind.ADOPTED]


async def test_a_second_engine_waits_until_the_first_is_gone() -> None:
    here = bench()
    idle = FaultyBackend(here.backend, here.clock)
    second = Engine(store=here.store, backends={"local": idle}, probe=here.probe, clock=here.clock, holder="the other")
    first = asyncio.create_task(here.engine.run())
    await here.clock.advance(1)
    async with running(second):
        await here.up()
        await here.clock.advance(60)
        assert idle.calls == []
        first.cancel()
        await second.stop(ME, "demo")
        await here.clock.run(second.wait(ME, "demo"))
        assert "remove" in idle.calls


async def test_an_engine_that_lost_its_lease_stops_acting_and_goes_on_when_it_has_it_again() -> None:
    async with lab() as here:
        await here.clock.advance(1)
        record, _ = await here.engine.create(ME, {"name": "demo"})
        current = await here.store.acquire("engine", "here", here.clock.now(), 1)
        assert current is not None
        await here.store.release(current)
        taken = await here.store.acquire("engine", "somebody else", here.clock.now(), 60)
        assert taken is not None
        await here.clock.advance(30)
        calls = len(here.faulty.calls)
        await here.clock.advance(20)
        assert len(here.faulty.calls) == calls
        await here.store.release(taken)
        assert (await here.settled()).status.phase is Phase.READY
        assert here.machine.of(record.id)


async def test_after_a_restart_of_the_machine_clusters_are_stopped_with_the_command_that_brings_them_back() -> None:
    here = bench()
    async with running(here.engine):
        await here.up()
    here.machine.restart()
    here.engine = new_engine(here)
    async with running(here.engine):
        record = await here.until(Phase.STOPPED)
        assert record.status.reason == "machine-restarted"
        assert "fireside up demo" in str(record.status.message)
        await here.clock.advance(60)
        assert not here.machine.nodes
        await here.engine.create(ME, {"name": "demo"})
        assert (await here.settled()).status.phase is Phase.READY


async def test_up_right_after_a_restart_of_the_machine_brings_it_back() -> None:
    here = bench()
    async with running(here.engine):
        await here.up()
    here.machine.restart()
    here.engine = new_engine(here)
    async with running(here.engine):
        await here.clock.run(here.engine.create(ME, {"name": "demo"}))
        record = await here.settled()
        assert (record.desired, record.status.phase) == (Desired.RUNNING, Phase.READY)


async def test_what_is_in_no_record_is_swept_and_data_are_kept() -> None:  # W-17
    here = bench()
    async with running(here.engine):
        record = await here.up()
        here.machine.data["fake", record.id] = [("/w/warehouse", 1)]
    await here.store.forget(record.id)
    here.engine = new_engine(here)
    async with running(here.engine):
        await here.clock.advance(10)
        assert not here.machine.nodes
        assert here.machine.data


async def test_a_new_store_sweeps_nothing_until_it_is_told_to() -> None:
    here = bench(sweep_held="the store is new")
    async with running(here.engine):
        record = await here.up()
    await here.store.forget(record.id)
    here.engine = new_engine(here)
    async with running(here.engine):
        await here.clock.advance(100)
        health = await here.engine.health()
        assert health.orphans == (record.id,)
        assert health.sweep_held == "the store is new"
        assert here.machine.nodes
        assert await here.clock.run(here.engine.purge_orphans()) == [record.id]
        assert not here.machine.nodes
        assert (await here.engine.health()).sweep_held is None


async def test_orphans_are_known_before_the_first_poll() -> None:
    # `fireside purge --orphans` starts a server and asks it at once: it must not be told that there are none.
    here = bench(sweep_held="the store is new")
    async with running(here.engine):
        record = await here.up()
    await here.store.forget(record.id)
    here.engine = new_engine(here)
    assert (await here.engine.health()).orphans == (record.id,)


async def test_nothing_is_swept_while_the_picture_is_not_complete() -> None:
    here = bench()
    async with running(here.engine):
        record = await here.up()
    await here.store.forget(record.id)
    here.backend.complete = False
    here.engine = new_engine(here)
    async with running(here.engine):
        await here.clock.advance(100)
        assert here.machine.nodes
        with pytest.raises(Unavailable):
            await here.clock.run(here.engine.purge_orphans())


async def test_another_installation_on_the_machine_is_left_alone() -> None:
    here = bench()
    other = FakeBackend(here.machine, installation="other")
    async with running(here.engine):
        record = await here.up()
        await other.apply("theirs", 1, record.plan)
        await here.engine.delete(ME, "demo", purge=True)
        await here.settled()
        await here.clock.advance(100)
        assert len(here.machine.of("theirs")) == 4


async def test_a_store_that_cannot_be_written_for_a_while_ends_nothing() -> None:
    async with lab() as here:
        record = await here.up()
        before = here.incarnations(record)
        here.store.broken = Unavailable("the disk is full")
        here.backend.kill(record.id, "worker-1")
        await here.clock.advance(30)
        assert (await here.engine.health()).dependencies["store"] == "the disk is full"
        here.store.broken = None
        await here.until(Phase.READY)
        await here.clock.advance(60)
        after = here.incarnations(record)
        assert {name for name in after if after[name] != before[name]} == {"worker-1"}
        assert (await here.engine.health()).dependencies["store"] == "ok"


async def test_a_bug_in_one_cluster_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with lab() as here:
        bad = await here.up("bad")
        observe = here.backend.observe

        async def buggy(cluster_id: str | None = None) -> object:
            if cluster_id == bad.id:
                raise KeyError("oops")
            return await observe(cluster_id)

        monkeypatch.setattr(here.backend, "observe", buggy)
        here.backend.kill(bad.id, "worker-1")
        assert (await here.up("good")).status.phase is Phase.READY
        assert "A bug in Fireside: KeyError" in str((await here.engine.get(ME, "bad")).status.message)
        monkeypatch.undo()
        await here.until(Phase.READY, "bad")


async def test_an_idle_cluster_costs_one_observation_a_poll_and_no_write() -> None:
    async with lab() as here:
        for number in range(10):
            await here.up(f"c{number}")
        await here.clock.advance(120)
        before = {r.id: r.status for r in await here.engine.list_clusters(ME)}
        calls, asked = len(here.faulty.calls), here.probe.asked
        await here.clock.advance(60)
        looks = here.faulty.calls[calls:].count("observe")
        assert looks <= 30 + 10 * 2 + 1
        assert here.probe.asked - asked <= 10 * 2 * 2
        assert {r.id: r.status for r in await here.engine.list_clusters(ME)} == before


async def test_the_events_of_a_life_can_be_followed_to_their_end() -> None:
    async with lab() as here:
        await here.up()

        async def follow() -> list[EventKind]:
            return [event.kind async for event in here.engine.events(ME, "demo", follow=True)]

        following = asyncio.create_task(follow())
        await here.clock.advance(1)
        await here.engine.delete(ME, "demo", purge=True)
        kinds = await here.clock.run(following)
        assert kinds[0] is EventKind.CREATED
        assert kinds[-1] is EventKind.DELETED


async def test_access_gives_addresses_and_secrets_of_what_runs_only() -> None:
    async with lab() as here:
        await here.up()
        access = await here.engine.access(ME, "demo")
        assert access.connect is not None
        assert access.token is not None
        assert access.token.get_secret_value() not in repr(access)
        await here.engine.stop(ME, "demo")
        await here.settled()
        with pytest.raises(Unavailable, match="stopped") as refused:
            await here.engine.access(ME, "demo")
        assert refused.value.hint == "fireside up demo"


async def test_the_server_is_busy_only_while_something_runs() -> None:
    async with lab() as here:
        await here.clock.advance(1)
        assert not here.engine.busy
        await here.up()
        assert here.engine.busy
        await here.engine.stop(ME, "demo")
        await here.settled()
        assert not here.engine.busy


async def test_a_wait_ends_by_the_callers_limit() -> None:
    async with lab(ready_after=1000) as here:
        await here.engine.create(ME, {"name": "demo", "timeouts": {"ready": "1h"}})
        with pytest.raises(TimedOut):
            await here.clock.run(here.engine.wait(ME, "demo"), limit=20)
