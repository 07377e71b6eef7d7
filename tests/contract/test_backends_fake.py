"""The fake backend keeps the contract that the real ones keep, and the checks find a backend that does not."""

from __future__ import annotations

import pytest

from fireside.engine.clock import SystemClock
from fireside.model import defaults, planning
from fireside.model.plan import Plan
from fireside.model.sizing import Room
from fireside.model.spec import validate
from fireside.ports import Backend
from fireside.testing.backend import FakeBackend, FakeMachine
from fireside.testing.backend_contract import CHECKS, Check, Site
from fireside.testing.faulty import Fault, FaultyBackend, How

ROOM = Room(cores=16, memory=64 * 1024, spark="4.3.0", python="3.11", javas=("17.0.12",))


def small_plan(workers: int) -> Plan:
    spec = validate({"workers": {"count": workers, "cores": 1, "memory": "2g"}, "connect": False})
    return planning.build(defaults.fit(spec, ROOM).spec)


async def kill(backend: Backend, cluster_id: str, node: str) -> None:
    assert isinstance(backend, FakeBackend)
    backend.kill(cluster_id, node)


def site() -> Site:
    machine = FakeMachine()

    async def on_this_machine(installation: str) -> Backend:
        return FakeBackend(machine, installation=installation)

    return Site(open=on_this_machine, plan=small_plan, kill=kill)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_fake_backend_keeps_the_contract(check: Check) -> None:
    await check(site())


@pytest.mark.parametrize(
    ("fault", "finds"),
    [
        (Fault("observe", How.LIE, times=10_000), "waited"),
        (Fault("remove", How.REFUSE), "failed on purpose"),
        (Fault("apply", How.HALF), "failed on purpose"),
    ],
    ids=["forgets what runs", "does not remove", "dies half-way"],
)
async def test_the_checks_find_a_backend_that_breaks_the_contract(fault: Fault, finds: str) -> None:
    machine = FakeMachine()
    faulty = FaultyBackend(FakeBackend(machine, installation="contract-a"), SystemClock())
    faulty.plan(fault)

    async def broken(_: str) -> Backend:
        return faulty

    check = next(check for check in CHECKS if check.__name__ == "remove_ends_all_of_it_and_can_be_repeated")
    with pytest.raises(Exception, match=finds):
        await check(Site(open=broken, plan=small_plan, kill=kill, seconds=0.2))
