"""The local backend's contract, with stand-in processes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from fireside.backends.local import LocalBackend, processes
from fireside.errors import Conflict, Refused, Unavailable
from fireside.model.plan import Plan, SecretName
from fireside.model.state import EventKind, NodeState
from fireside.ports import NodeObservation
from fireside.settings import Settings

PlanOf = Callable[..., Plan]
Wait = Callable[..., Awaitable[Any]]
Secrets = Mapping[SecretName, SecretStr]
ALL = ("connect", "master", "worker-1")


def what_processes_were_told(settings: Settings) -> list[bytes]:
    places = [Path("/proc", str(process.id.pid)) for process in labelled(settings)]
    return [(place / file).read_bytes() for place in places for file in ("cmdline", "environ")]


def zombies() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE}


@pytest.fixture
async def up(backend: LocalBackend, plan_of: PlanOf, secrets: Secrets, wait_until: Wait) -> Callable[..., Any]:
    """Bring a cluster of stand-ins up and wait until all of them listen."""

    async def start(
        cluster_id: str = "c1", plan: Plan | None = None, generation: int = 1
    ) -> dict[str, NodeObservation]:
        plan = plan or plan_of()
        await backend.put_secrets(cluster_id, secrets)
        await backend.apply(cluster_id, generation, plan)
        for node in plan.nodes():
            await wait_until(lambda name=node.name: said(backend, cluster_id, name, "listening"))
        return (await backend.observe(cluster_id)).of(cluster_id)

    return start


async def said(backend: LocalBackend, cluster_id: str, node: str, text: str) -> bool:
    lines = [line.text async for line in backend.logs(cluster_id, node, follow=False, tail=None)]
    return (
        text in lines[max(i for i, line in enumerate(lines) if line.startswith("---- fireside: ")) :]
        if lines
        else False
    )


def pid_of(settings: Settings, node: str, cluster_id: str = "c1") -> int:
    record = settings.home / "clusters" / cluster_id / "nodes" / node / "record.json"
    return int(json.loads(record.read_text())["pid"])


async def kill(settings: Settings, node: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill a node from outside, and wait until it ended."""
    identity = processes.identify(pid_of(settings, node))
    assert identity is not None
    processes.send(identity, number)
    assert not await processes.wait_gone([identity], 10)


def labelled(settings: Settings) -> list[processes.Process]:
    return processes.scan(f"test-{settings.home.parent.name}").labelled()


async def test_what_is_applied_runs_once_however_often_it_is_applied(
    backend: LocalBackend, up: Any, plan_of: PlanOf
) -> None:
    first = await up()
    assert tuple(first) == ALL
    assert {node.state for node in first.values()} == {NodeState.RUNNING}
    assert await backend.apply("c1", 1, plan_of()) == []
    again = (await backend.observe("c1")).of("c1")
    assert {name: node.incarnation for name, node in again.items()} == {
        name: node.incarnation for name, node in first.items()
    }
    assert first["master"].digest == plan_of().digest(plan_of().nodes()[0].role)


async def test_another_server_over_the_same_home_finds_everything_running(
    backend: LocalBackend, up: Any, settings: Settings, plan_of: PlanOf, stand_ins: Any
) -> None:
    first = await up()
    later = LocalBackend(settings, f"test-{settings.home.parent.name}", define=stand_ins.define)
    assert (await later.observe()).of("c1") == first
    assert await later.apply("c1", 1, plan_of()) == []
    assert (await later.observe()).of("c1") == first
    await later.aclose()


async def test_held_nodes_are_left_alone(backend: LocalBackend, plan_of: PlanOf, secrets: Secrets) -> None:
    await backend.put_secrets("c1", secrets)
    await backend.apply("c1", 1, plan_of(), hold=frozenset({"worker-1", "connect"}))
    assert list((await backend.observe("c1")).of("c1")) == ["master"]
    smaller = plan_of(topology="single")
    await backend.apply("c1", 2, smaller, hold=frozenset({"master", "connect"}))
    assert list((await backend.observe("c1")).of("c1")) == ["master"]


async def test_surplus_nodes_go_and_other_nodes_stay(backend: LocalBackend, up: Any, plan_of: PlanOf) -> None:
    before = await up(plan=plan_of(3))
    await backend.apply("c1", 2, plan_of(1))
    after = (await backend.observe("c1")).of("c1")
    assert tuple(after) == ALL
    assert all(after[name].incarnation == before[name].incarnation for name in ("master", "worker-1"))


async def test_a_node_of_another_digest_is_replaced(backend: LocalBackend, up: Any, plan_of: PlanOf) -> None:
    before = await up()
    await backend.apply("c1", 2, plan_of(connect={"conf": {"spark.sql.shuffle.partitions": "3"}}))
    after = (await backend.observe("c1")).of("c1")
    changed = [name for name in ALL if after[name].incarnation != before[name].incarnation]
    assert changed == ["connect"]
    assert after["connect"].addresses == before["connect"].addresses


async def test_an_older_generation_is_refused(backend: LocalBackend, up: Any, plan_of: PlanOf) -> None:
    await up(generation=5)
    with pytest.raises(Conflict, match="generation 4"):
        await backend.apply("c1", 4, plan_of(2))
    assert len((await backend.observe("c1")).nodes) == 3


async def test_a_killed_node_is_gone_with_its_reason_at_once_and_comes_back_on_its_port(
    backend: LocalBackend, up: Any, settings: Settings, plan_of: PlanOf
) -> None:
    # STD-17
    before = await up()
    hints = backend.watch()
    hint = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0)
    os.kill(pid_of(settings, "worker-1"), signal.SIGKILL)
    async with asyncio.timeout(5):
        assert (await hint).cluster_id == "c1"
    gone = (await backend.observe("c1")).of("c1")["worker-1"]
    assert (gone.state, gone.reason, gone.exit_code) == (NodeState.GONE, "killed by signal 9", -9)
    await backend.apply("c1", 1, plan_of())
    back = (await backend.observe("c1")).of("c1")["worker-1"]
    assert back.state is NodeState.RUNNING
    assert back.incarnation != gone.incarnation
    assert back.addresses == before["worker-1"].addresses
    await hints.aclose()  # type: ignore[attr-defined]


async def test_what_died_before_the_server_started_says_that_nobody_looked(
    backend: LocalBackend, up: Any, settings: Settings, stand_ins: Any
) -> None:
    await up()
    later = LocalBackend(settings, f"test-{settings.home.parent.name}", define=stand_ins.define)
    await kill(settings, "worker-1")
    node = (await later.observe("c1")).of("c1")["worker-1"]
    assert node.exit_code is None
    assert node.reason == "nobody saw how (see the log)"
    await later.aclose()


async def test_a_process_without_a_record_is_found_by_its_labels_and_removed(
    backend: LocalBackend, up: Any, settings: Settings
) -> None:
    await up()
    for record in settings.home.glob("clusters/c1/nodes/*/record.json"):
        record.unlink()
    observation = await backend.observe()
    assert observation.complete
    assert sorted(observation.of("c1")) == sorted(ALL)
    assert {node.state for node in observation.nodes} == {NodeState.RUNNING}
    await backend.remove("c1", purge=False)
    assert labelled(settings) == []


async def test_a_lost_home_leaves_nothing_that_cannot_be_found(
    backend: LocalBackend, up: Any, settings: Settings
) -> None:
    await up()
    (settings.home / "clusters").rename(settings.home / "elsewhere")
    assert (await backend.observe()).remains == {"c1"}
    await backend.remove("c1", purge=True)
    assert labelled(settings) == []
    assert (await backend.observe()).remains == frozenset()


ESCAPES = """
child = [sys.executable, "-c", "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
subprocess.Popen(child)                                             # a hung Python function
subprocess.Popen(child, process_group=0)                            # as pyspark's daemon does
subprocess.Popen(child, start_new_session=True)                     # a daemon of its own
subprocess.Popen(child, env={})                                     # without labels
subprocess.Popen(child, env={}, start_new_session=True)             # both, but still a child
signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""


async def test_remove_ends_everything_that_a_node_started(
    backend: LocalBackend, up: Any, settings: Settings, stand_ins: Any
) -> None:
    stand_ins.extra["worker-1"] = ESCAPES.replace("process_group=0", "preexec_fn=os.setpgrp")
    await up()
    worker = pid_of(settings, "worker-1")
    table = processes.scan(f"test-{settings.home.parent.name}")
    family = table.family(table.labelled("c1", "worker-1"))
    assert len(family) == 6
    await backend.remove("c1", purge=False)
    assert not [identity for identity in family if processes.identify(identity.pid) == identity]
    assert worker in {identity.pid for identity in family}


async def test_what_a_dead_node_left_behind_ends_before_it_is_started_again(
    backend: LocalBackend, up: Any, settings: Settings, stand_ins: Any, plan_of: PlanOf
) -> None:
    stand_ins.extra["worker-1"] = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    await up()
    await kill(settings, "worker-1")
    left = [process for process in labelled(settings) if process.label and process.label.node == "worker-1"]
    stand_ins.extra.clear()
    await backend.apply("c1", 1, plan_of())
    assert not [process for process in left if processes.identify(process.id.pid) == process.id]


async def test_remove_keeps_data_and_logs_and_purge_keeps_nothing(
    backend: LocalBackend, up: Any, settings: Settings, plan_of: PlanOf
) -> None:
    # STO-03
    await up()
    root = settings.home / "clusters" / "c1"
    executor = root / "nodes/worker-1/work/app-1/0"
    executor.mkdir(parents=True)
    (executor / "stderr").write_text("printed by a function\n")
    workspace = Path(await backend.workspace("c1", plan_of()))
    (workspace / "mine.csv").write_text("a,b\n")
    await backend.remove("c1", purge=False)
    assert not (root / "nodes").exists()
    assert not (root / "recovery").exists()
    lines = [line async for line in backend.logs("c1", "worker-1", follow=False, tail=5)]
    assert ("app-1/0 stderr", "printed by a function") in {(line.source, line.text) for line in lines}
    assert ("daemon", "listening") in {(line.source, line.text) for line in lines}
    data = dict(await backend.data_of("c1"))
    assert data[str(workspace)] == 4
    observation = await backend.observe()
    assert (observation.nodes, observation.remains) == ((), frozenset())
    await backend.remove("c1", purge=True)
    assert not root.exists()
    assert await backend.data_of("c1") == []


async def test_a_workspace_of_the_owner_survives_a_purge(
    backend: LocalBackend, up: Any, plan_of: PlanOf, tmp_path: Path
) -> None:
    # STO-01, STO-02
    shared = tmp_path / "shared" / "deep"
    plan = plan_of(workspace=str(shared))
    await up(plan=plan)
    assert await backend.workspace("c1", plan) == str(shared)
    (shared / "mine").write_text("x")
    await backend.remove("c1", purge=True)
    assert (shared / "mine").read_text() == "x"


async def test_ports_are_kept_and_a_stolen_one_is_replaced_with_a_note_and_dependants_restart(
    backend: LocalBackend, up: Any, plan_of: PlanOf, settings: Settings
) -> None:
    # STD-05
    before = await up()
    port = before["master"].addresses["rpc"].port
    await kill(settings, "master", signal.SIGTERM)
    with socket.create_server(("127.0.0.1", port)):
        notes = await backend.apply("c1", 1, plan_of())
    after = (await backend.observe("c1")).of("c1")
    new = after["master"].addresses["rpc"].port
    assert notes[0].kind is EventKind.PORT_REPLACED
    assert notes[0].node == "master"
    assert notes[0].message.startswith(f"port {port} taken by pid {os.getpid()} (")
    assert notes[0].message.endswith(f"; master listens on {new} now")
    assert new != port
    assert all(after[name].incarnation != before[name].incarnation for name in ALL)
    assert {note.node for note in notes[1:]} == {"worker-1", "connect"}


async def test_clusters_that_start_at_once_have_ports_of_their_own(
    backend: LocalBackend, up: Any, plan_of: PlanOf
) -> None:
    # W-30
    await asyncio.gather(*(up(f"c{number}") for number in range(3)))
    nodes = (await backend.observe()).nodes
    numbers = [address.port for node in nodes for address in node.addresses.values()]
    assert len(numbers) == len(set(numbers)) == 18


async def test_two_installations_do_not_see_each_other(
    backend: LocalBackend, up: Any, settings: Settings, stand_ins: Any, tmp_path: Path
) -> None:
    await up()
    other = LocalBackend(Settings(home=tmp_path / "other"), "another", define=stand_ins.define)
    assert (await other.observe()).remains == frozenset()
    await other.remove("c1", purge=True)
    assert len((await backend.observe()).nodes) == 3
    await other.aclose()


async def test_draining_is_said_to_the_worker_once_and_is_remembered(
    backend: LocalBackend, up: Any, wait_until: Wait, settings: Settings, stand_ins: Any
) -> None:
    await up()
    await backend.drain("c1", ["worker-1", "worker-9"])
    await backend.drain("c1", ["worker-1"])
    await wait_until(lambda: said(backend, "c1", "worker-1", "decommissioned"))
    later = LocalBackend(settings, f"test-{settings.home.parent.name}", define=stand_ins.define)
    node = (await later.observe("c1")).of("c1")["worker-1"]
    assert (node.state, node.draining, node.children) == (NodeState.RUNNING, True, 0)
    lines = [line.text async for line in backend.logs("c1", "worker-1", follow=False, tail=None)]
    assert lines.count("decommissioned") == 1
    await later.aclose()


async def test_executors_are_counted_as_children(backend: LocalBackend, up: Any, stand_ins: Any) -> None:
    stand_ins.extra["worker-1"] = (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)',"
        " 'org.apache.spark.executor.CoarseGrainedExecutorBackend'])"
    )
    nodes = await up()
    assert (nodes["worker-1"].children, nodes["master"].children) == (1, 0)


async def test_dial_gives_addresses_of_running_nodes_only(backend: LocalBackend, up: Any, settings: Settings) -> None:
    nodes = await up()
    assert await backend.dial("c1", "master", "rpc") == nodes["master"].addresses["rpc"]
    with pytest.raises(Unavailable, match="no port 'nope'"):
        await backend.dial("c1", "master", "nope")
    with pytest.raises(Unavailable, match="worker-7 is not running"):
        await backend.dial("c1", "worker-7", "rpc")
    await backend.remove("c1", purge=False)
    with pytest.raises(Unavailable):
        await backend.dial("c1", "master", "rpc")


async def test_secrets_are_in_files_of_their_owner_and_nowhere_else(
    backend: LocalBackend, up: Any, secrets: Secrets, settings: Settings
) -> None:
    # SEC-04
    previous = os.umask(0)
    try:
        await up()
    finally:
        os.umask(previous)
    assert await backend.read_secrets("c1") == secrets
    values = [secret.get_secret_value().encode() for secret in secrets.values()]
    told = b"".join(what_processes_were_told(settings))
    assert b"FIRESIDE_CLUSTER=c1" in told
    assert not [value for value in values if value in told]
    assert not [path for path in settings.home.rglob("*") if path.stat().st_mode & 0o077]
    await backend.remove("c1", purge=True)
    assert await backend.read_secrets("c1") == {}


async def test_a_program_that_cannot_be_started_is_refused_and_leaves_no_node(
    backend: LocalBackend, plan_of: PlanOf, secrets: Secrets, stand_ins: Any
) -> None:
    stand_ins.argv["master"] = ("/nowhere/java",)
    await backend.put_secrets("c1", secrets)
    with pytest.raises(Refused, match="cannot start /nowhere/java: No such file"):
        await backend.apply("c1", 1, plan_of())
    assert (await backend.observe("c1")).nodes == ()


async def test_a_node_that_ends_at_once_is_gone_with_its_exit_code_and_last_words(
    backend: LocalBackend, plan_of: PlanOf, secrets: Secrets, stand_ins: Any, wait_until: Wait
) -> None:
    stand_ins.argv["master"] = (sys.executable, "-c", "raise SystemExit('Error: no such thing')")
    await backend.put_secrets("c1", secrets)
    await backend.apply("c1", 1, plan_of(), hold=frozenset({"worker-1", "connect"}))

    async def gone() -> NodeObservation | None:
        node = (await backend.observe("c1")).of("c1")["master"]
        return node if node.state is NodeState.GONE else None

    node = await wait_until(gone)
    assert (node.reason, node.exit_code) == ("ended with exit code 1: Error: no such thing", 1)


async def test_a_record_of_an_earlier_boot_says_that_the_machine_was_restarted(
    backend: LocalBackend, up: Any, settings: Settings
) -> None:
    await up()
    record = settings.home / "clusters/c1/nodes/worker-1/record.json"
    text = json.loads(record.read_text())
    await kill(settings, "worker-1")
    record.write_text(json.dumps({**text, "boot": "before", "incarnation": "older"}))
    node = (await backend.observe("c1")).of("c1")["worker-1"]
    assert (node.state, node.reason) == (NodeState.GONE, "the machine was restarted")


async def test_an_interrupted_start_is_completed_from_the_labels(
    backend: LocalBackend, up: Any, settings: Settings, plan_of: PlanOf
) -> None:
    before = await up()
    record = settings.home / "clusters/c1/nodes/worker-1/record.json"
    text = json.loads(record.read_text())
    record.write_text(json.dumps({**text, "pid": None, "ticks": 0, "boot": ""}))
    assert (await backend.observe("c1")).of("c1") == before
    await backend.apply("c1", 1, plan_of())
    assert (await backend.observe("c1")).of("c1") == before


async def test_no_zombie_of_ours_is_left(backend: LocalBackend, up: Any, settings: Settings) -> None:
    others = zombies()
    await up()
    await backend.remove("c1", purge=True)
    assert zombies() <= others


async def test_removing_what_was_never_there_is_no_error(backend: LocalBackend) -> None:
    await backend.remove("nothing", purge=True)
    await backend.drain("nothing", ["worker-1"])
    assert (await backend.observe("nothing")).nodes == ()


async def test_a_read_only_home_is_named_before_and_refused_when_applied(
    tmp_path: Path, plan_of: PlanOf, stand_ins: Any
) -> None:
    (tmp_path / "file").write_text("")
    backend = LocalBackend(Settings(home=tmp_path / "file" / "home"), "i", define=stand_ins.define)
    findings = await backend.preflight("c1", plan_of())
    assert "cannot make the directory" in findings[0].message
    with pytest.raises(Refused, match="home"):
        await backend.apply("c1", 1, plan_of())


async def test_a_driver_of_the_owner_is_told_the_java_and_the_python_of_the_nodes(
    backend: LocalBackend, up: Any, plan_of: PlanOf, stand_ins: Any
) -> None:
    await up()
    environment = await backend.driver_environment("c1", plan_of())
    site = stand_ins.sites["worker-1"]
    assert environment == {"JAVA_HOME": site.java_home, "PYSPARK_PYTHON": site.python}


async def test_an_apply_that_is_given_up_leaves_no_second_process_of_a_node(
    backend: LocalBackend, plan_of: PlanOf, secrets: Secrets, settings: Settings
) -> None:
    await backend.put_secrets("c1", secrets)
    for attempt in range(8):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01 * attempt):
                await backend.apply("c1", 1, plan_of())
    await backend.apply("c1", 1, plan_of())
    leaders = sorted(process.label.node for process in labelled(settings) if process.leads and process.label)
    assert leaders == sorted(ALL)


async def test_what_others_put_into_the_home_is_not_looked_at(backend: LocalBackend, settings: Settings) -> None:
    (settings.home / "clusters" / "not one of ours").mkdir(parents=True)
    (settings.home / "clusters" / ".DS_Store").write_text("")
    assert (await backend.observe()).remains == frozenset()


async def test_a_full_disk_does_not_keep_a_cluster_from_being_removed(
    backend: LocalBackend, up: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await up()
    executor = settings.home / "clusters/c1/nodes/worker-1/work/app-1/0"
    executor.mkdir(parents=True)
    (executor / "stderr").write_text("x")
    with monkeypatch.context() as patch:

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(Path, "mkdir", full)
        patch.setattr(os, "fsync", full)
        await backend.remove("c1", purge=False)
    assert labelled(settings) == []
    assert (await backend.observe()).remains == frozenset()
