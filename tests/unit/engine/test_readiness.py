"""Ready means usable: what a master and a Connect server have to say before a node counts (HLT-02, W-08)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from fireside.engine.nodes import Answer
from fireside.engine.readiness import Asker
from fireside.errors import Unavailable
from fireside.model import defaults, planning
from fireside.model.sizing import Room
from fireside.model.spec import validate
from fireside.model.state import ClusterStatus, Desired
from fireside.ports import Address, ClusterRecord, MasterStatus, MasterWorker
from fireside.testing.backend import FakeBackend, FakeMachine
from fireside.testing.clock import FakeClock

ROOM = Room(cores=64, memory=256 * 1024, spark="4.3.0", python="3.11", javas=("17.0.12",))


class ToldProbe:
    """Answers what a test tells it to."""

    def __init__(self) -> None:
        self.status = "ALIVE"
        self.workers: tuple[MasterWorker, ...] = ()
        self.version = "4.3.0"
        self.deaf = False

    async def master(self, ui: Address) -> MasterStatus:
        if self.deaf:
            raise Unavailable(f"no master answers at {ui}")
        return MasterStatus(self.status, self.workers)

    async def handshake(self, address: Address, token: SecretStr | None) -> str:
        return self.version


def record() -> ClusterRecord:
    clock = FakeClock()
    asked = {"workers": {"count": 2, "cores": 2, "memory": "4g"}}
    spec = defaults.fit(validate(asked), ROOM).spec
    return ClusterRecord(
        id="c1",
        owner="ada",
        name="demo",
        backend="local",
        spec=spec,
        asked=asked,
        plan=planning.build(spec),
        desired=Desired.RUNNING,
        status=ClusterStatus(since=clock.now()),
        created_at=clock.now(),
        changed_at=clock.now(),
    )


class Scene:
    """A cluster whose nodes all run, and a probe."""

    def __init__(self) -> None:
        self.backend = FakeBackend(FakeMachine())
        self.probe = ToldProbe()
        self.record = record()

    async def ask(self) -> Mapping[str, Answer]:
        seen = await self.backend.observe("c1")
        return await Asker(self.backend, self.probe, FakeClock()).ask(self.record, seen.of("c1"))

    def listed(self, node: str, *, state: str = "ALIVE", cores: int = 0, memory: int = 0) -> MasterWorker:
        address = self.backend.node("c1", node).addresses["rpc"]
        offer = self.record.plan.groups[1].offer
        assert offer is not None
        return MasterWorker(address.host, address.port, state, cores or offer.cores, memory or offer.memory)


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.backend.apply("c1", 1, made.record.plan)
    made.probe.workers = (made.listed("worker-1"), made.listed("worker-2"))
    return made


async def test_all_is_ready_when_all_say_so(scene: Scene) -> None:
    answers = await scene.ask()
    assert set(answers) == {"master", "worker-1", "worker-2", "connect"}
    assert all(answer.ready for answer in answers.values())


async def test_a_worker_counts_only_with_the_size_of_the_plan(scene: Scene) -> None:
    scene.probe.workers = (scene.listed("worker-1"), scene.listed("worker-2", memory=512))
    answer = (await scene.ask())["worker-2"]
    assert not answer.ready
    assert "512m, the plan says" in str(answer.message)


@pytest.mark.parametrize("state", ["DEAD", "UNKNOWN", "DECOMMISSIONED"])
async def test_a_worker_counts_only_alive(scene: Scene, state: str) -> None:
    scene.probe.workers = (scene.listed("worker-1"), scene.listed("worker-2", state=state))
    assert (await scene.ask())["worker-2"] == Answer(False, f"the master lists it as {state}")


async def test_a_worker_counts_beside_its_former_self(scene: Scene) -> None:
    scene.probe.workers = (scene.listed("worker-1", state="DEAD"), *scene.probe.workers)
    assert (await scene.ask())["worker-1"].ready


async def test_a_master_that_recovers_makes_nobody_ready(scene: Scene) -> None:
    scene.probe.status = "RECOVERING"
    answers = await scene.ask()
    assert answers["master"] == Answer(False, "the master is RECOVERING")
    assert not answers["worker-1"].ready


async def test_a_master_that_does_not_answer_is_named(scene: Scene) -> None:
    scene.probe.deaf = True
    answers = await scene.ask()
    assert answers["master"] == Answer(False, "does not answer")
    assert answers["worker-1"] == Answer(False, "the master does not answer")
    assert answers["connect"].ready


async def test_a_server_of_another_version_is_not_ready(scene: Scene) -> None:
    scene.probe.version = "4.0.1"
    assert (await scene.ask())["connect"] == Answer(False, "it answers as Spark 4.0.1, the plan says 4.3.0")


async def test_nodes_of_another_plan_are_not_asked(scene: Scene) -> None:
    groups = tuple(group.model_copy(update={"revision": 1}) for group in scene.record.plan.groups[:1])
    plan = scene.record.plan.model_copy(update={"groups": (*groups, *scene.record.plan.groups[1:])})
    scene.record = scene.record.model_copy(update={"plan": plan})
    assert set(await scene.ask()) == {"worker-1", "worker-2", "connect"}
