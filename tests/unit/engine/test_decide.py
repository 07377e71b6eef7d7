"""Decisions, by random histories: never off the table, always to the spec."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.engine.decide import decide
from fireside.engine.decision import Apply, Drain, Forget, Halt, Look, Remove, Timers, Trouble
from fireside.engine.nodes import Answer, back_off
from fireside.model import defaults, planning
from fireside.model.plan import Plan
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec, validate
from fireside.model.state import PHASE_FOLLOWS, ClusterStatus, Desired, NodeState, Phase
from fireside.ports import ClusterRecord, NodeObservation

ROOM = Room(cores=64, memory=256 * 1024, spark="4.3.0", python="3.11", javas=("17.0.12",))
START = datetime(2026, 1, 1, tzinfo=UTC)


def spec_of(workers: int) -> ClusterSpec:
    return defaults.fit(validate({"workers": {"count": workers, "cores": 1, "memory": "2g"}}), ROOM).spec


SPECS = {workers: spec_of(workers) for workers in (1, 2, 3)}
PLANS: dict[int, Plan] = {workers: planning.build(spec) for workers, spec in SPECS.items()}


@dataclass
class Model:
    """A cluster and its world as values: applies decisions as the reconciler does, and checks each move."""

    record: ClusterRecord
    nodes: dict[str, NodeObservation] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    timers: Timers = field(default_factory=Timers)
    epoch: str = "boot-1"
    complete: bool = True
    tick: float = 0.0
    skew: float = 0.0
    starts: int = 0
    forgotten: bool = False
    first: bool = True
    trouble: Trouble | None = None
    phases: list[Phase] = field(default_factory=list)

    def look(self) -> Look:
        visible = self.nodes if self.complete else {}
        return Look(
            record=self.record,
            complete=self.complete,
            epoch=self.epoch,
            nodes=visible,
            remains=bool(visible),
            answers={
                name: Answer(name not in self.silent)
                for name, node in visible.items()
                if node.state is NodeState.RUNNING
            },
            now=START + timedelta(seconds=self.tick + self.skew),
            tick=self.tick,
            timers=self.timers,
            first=self.first,
            trouble=self.trouble,
        )

    def step(self) -> bool:
        """Look once and act; return whether anything was done."""
        if self.forgotten:
            return False
        before = self.record.status
        decision = decide(self.look())
        new = decision.status.phase
        assert new is before.phase or new in PHASE_FOLLOWS[before.phase], f"{before.phase} → {new}"
        self.record = self.record.model_copy(update={"status": decision.status})
        self.timers, self.first, self.trouble = decision.timers, False, None
        self.phases.append(new)
        match decision.action:
            case Apply(hold):
                self.apply(hold)
            case Drain(nodes):
                self.nodes.update({name: _but(self.nodes[name], draining=True, children=0) for name in nodes})
            case Remove():
                self.nodes.clear()
                self.timers = Timers(removed=True, nodes=self.timers.nodes)
            case Forget():
                assert not self.nodes, "forgotten with nodes left"
                self.forgotten = True
            case Halt():
                self.wish(desired=Desired.STOPPED)
            case None:
                pass
        self.tick += 0.0 if decision.action else min(decision.wake if decision.wake is not None else 2.0, 2.0)
        return decision.action is not None or decision.status != before

    def apply(self, hold: frozenset[str]) -> None:
        plan = self.record.plan
        wanted = {node.name: plan.digest(node.role) for node in plan.nodes()}
        # A node that the owner does not want any more goes when its time to drain is over, whatever is known of it.
        doubtful = {name for name, node in self.nodes.items() if node.state is NodeState.UNKNOWN and name in wanted}
        assert self.complete, "acted on a picture that is not complete"
        assert doubtful <= hold, "acted on a node of which nothing is known"
        for name in [name for name in self.nodes if name not in wanted and name not in hold]:
            del self.nodes[name]
        for name, digest in wanted.items():
            old = self.nodes.get(name)
            runs = old is not None and old.state is not NodeState.GONE and old.digest == digest and not old.draining
            if name not in hold and not runs:
                self.starts += 1
                self.nodes[name] = NodeObservation(
                    self.record.id, name, f"{name}#{self.starts}", NodeState.RUNNING, digest
                )

    def wish(self, **wish: object) -> None:
        if self.record.desired is not Desired.DELETED:
            self.record = self.record.model_copy(update={**wish, "generation": self.record.generation + 1})

    def settle(self, limit: int = 3000) -> None:
        for _ in range(limit):
            if not self.step() and self.settled():
                return
        raise AssertionError(f"did not settle: {self.record.status}")

    def settled(self) -> bool:
        status = self.record.status
        done = status.phase in {Phase.READY, Phase.STOPPED, Phase.FAILED}
        return self.forgotten or (done and status.observed_generation == self.record.generation)


def _but(node: NodeObservation, **changes: object) -> NodeObservation:
    values = {name: getattr(node, name) for name in NodeObservation.__dataclass_fields__}
    return NodeObservation(**{**values, **changes})


def model(workers: int = 2) -> Model:
    record = ClusterRecord(
        id="c1",
        owner="ada",
        name="demo",
        backend="local",
        spec=SPECS[workers],
        asked={"workers": workers},
        plan=PLANS[workers],
        desired=Desired.RUNNING,
        status=ClusterStatus(since=START),
        created_at=START,
        changed_at=START,
    )
    return Model(record)


def happen(world: Model, what: str, chance: random.Random) -> None:  # noqa: C901, PLR0912 - one list of all that happens
    """Let one thing happen: a wish of the owner, or a fault of the world."""
    live = sorted(name for name, node in world.nodes.items() if node.state is NodeState.RUNNING)
    node = chance.choice(live) if live else None
    match what:
        case "scale":
            workers = chance.choice(list(SPECS))
            world.wish(spec=SPECS[workers], plan=PLANS[workers])
        case "stop":
            world.wish(desired=Desired.STOPPED)
        case "start":
            world.wish(desired=Desired.RUNNING)
        case "restart":
            groups = tuple(g.model_copy(update={"revision": g.revision + 1}) for g in world.record.plan.groups)
            world.wish(plan=world.record.plan.model_copy(update={"groups": groups}), desired=Desired.RUNNING)
        case "kill" if node:
            world.nodes[node] = _but(world.nodes[node], state=NodeState.GONE, reason="killed by signal 9")
        case "break" if node:
            world.nodes[node] = _but(world.nodes[node], state=NodeState.GONE, reason="no image", permanent=True)
        case "lose" if node:
            del world.nodes[node]
        case "doubt" if node:
            world.nodes[node] = _but(world.nodes[node], state=NodeState.UNKNOWN)
        case "silence" if node:
            world.silent.add(node)
        case "blind":
            world.complete = not world.complete
        case "reboot":
            world.nodes.clear()
            world.epoch += "'"
        case "jump":
            world.skew += chance.choice([-1, 1]) * chance.uniform(0, 100_000)
        case "new engine":
            world.timers, world.first = Timers(), True
        case "trouble":
            world.trouble = Trouble("no space left", chance.random() < 0.5)
        case "time":
            world.tick += chance.uniform(0, 400)
        case _:
            pass


WHAT = [
    "scale", "stop", "start", "restart", "kill", "kill", "break", "lose", "doubt", "silence", "blind", "reboot",
    "jump", "new engine", "trouble", "time", "look", "look", "look", "look",
]  # fmt: skip


@settings(max_examples=200)
@given(history=st.lists(st.sampled_from(WHAT), max_size=60), seed=st.integers(0, 2**16))
def test_no_history_leaves_the_table_and_every_history_ends_at_the_spec(history: list[str], seed: int) -> None:
    chance = random.Random(seed)
    world = model()
    for what in history:
        happen(world, what, chance)
        if what == "look" or chance.random() < 0.5:
            world.step()
    # The world is well again: what was unknown is seen, who was silent answers.
    world.complete, world.trouble = True, None
    world.silent.clear()
    world.nodes = {
        name: _but(node, state=NodeState.RUNNING) if node.state is NodeState.UNKNOWN else node
        for name, node in world.nodes.items()
    }
    world.settle()
    if world.record.desired is Desired.RUNNING and world.record.status.phase is Phase.FAILED:
        world.wish()
        world.settle()
    if world.record.desired is Desired.RUNNING:
        assert world.record.status.phase is Phase.READY
        plan = world.record.plan
        assert {name: node.digest for name, node in world.nodes.items()} == {
            node.name: plan.digest(node.role) for node in plan.nodes()
        }
    else:
        assert world.record.status.phase is Phase.STOPPED
        assert not world.nodes
    world.wish(desired=Desired.DELETED, purge=True)
    world.settle()
    assert world.forgotten


@settings(max_examples=50)
@given(history=st.lists(st.sampled_from(["blind", "doubt", "silence", "jump", "look", "time"]), max_size=40))
def test_what_cannot_be_seen_or_does_not_answer_is_never_killed(history: list[str]) -> None:
    chance = random.Random(len(history))
    world = model()
    world.settle()
    before = {name: node.incarnation for name, node in world.nodes.items()}
    for what in history:
        happen(world, what, chance)
        world.step()
    assert {name: node.incarnation for name, node in world.nodes.items()} == before


def test_a_ready_cluster_needs_nothing_and_a_second_look_says_the_same() -> None:
    world = model()
    world.settle()
    look = world.look()
    first = decide(look)
    assert first.action is None
    assert first.status == world.record.status
    assert first.told == ()
    assert decide(look) == first


def test_deciding_twice_from_one_look_gives_one_answer() -> None:
    world = model()
    for _ in range(6):
        look = world.look()
        assert decide(look) == decide(look)
        world.step()


@pytest.mark.parametrize(("deaths", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (6, 32), (7, 60), (100, 60)])
def test_the_back_off_doubles_up_to_a_minute(deaths: int, seconds: float) -> None:
    assert back_off(deaths) == seconds


def test_every_phase_can_be_left_to_be_deleted() -> None:
    reachable = {phase: follows for phase, follows in PHASE_FOLLOWS.items() if phase is not Phase.DELETING}
    assert all(Phase.DELETING in follows for follows in reachable.values())


def test_a_stopped_cluster_that_cannot_start_starts_before_it_fails() -> None:
    world = model()
    world.wish(desired=Desired.STOPPED)
    world.settle()
    world.wish(desired=Desired.RUNNING)
    for phase in (Phase.STARTING, Phase.FAILED):
        world.trouble = Trouble("port 7077 taken by pid 812", permanent=True)
        world.step()
        assert world.record.status.phase is phase
    assert "pid 812" in str(world.record.status.message)


@pytest.mark.parametrize("end", ["dead", "away"])
def test_what_died_before_an_attempt_does_not_count_against_it(end: str) -> None:
    world = model()
    world.settle()
    world.nodes["master"] = _but(world.nodes["master"], state=NodeState.GONE, reason="no image", permanent=True)
    world.settle()
    assert world.record.status.phase is Phase.FAILED
    if end == "dead":  # while the failed cluster is left alone
        world.nodes["worker-1"] = _but(world.nodes["worker-1"], state=NodeState.GONE, reason="no room", permanent=True)
    else:
        del world.nodes["worker-1"]
    kept = world.nodes["worker-2"]
    world.wish()
    world.settle()
    assert world.record.status.phase is Phase.READY
    assert all(node.restarts == 0 for node in world.record.status.nodes.values())
    assert world.nodes["worker-2"] == kept  # somebody may have work on it
