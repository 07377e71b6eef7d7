"""Who is who: labels, identities, families."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fireside.backends.local import processes
from fireside.backends.local.processes import Label, Process, Processes, ProcessId

SLEEP = "import time; time.sleep(600)"
Run = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def installation() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def run(installation: str) -> Iterator[Run]:
    children: list[subprocess.Popen[bytes]] = []

    def start(code: str = SLEEP, **labels: str) -> subprocess.Popen[bytes]:
        told = {"INSTALLATION": installation, "CLUSTER": "c1", "NODE": "master", "INCARNATION": "i1", **labels}
        environment = {**os.environ, **{f"FIRESIDE_{name}": value for name, value in told.items()}}
        child = subprocess.Popen(
            [sys.executable, "-c", f"print('up', flush=True)\n{code}"],
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
        )
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_a_node_is_found_by_its_labels_alone(run: Run, installation: str) -> None:
    child = run()
    run(INSTALLATION="somebody-else")
    (found,) = processes.scan(installation).labelled()
    assert found.id == processes.identify(child.pid)
    assert found.label == Label("c1", "master", "i1")
    assert found.leads
    assert found.parent == os.getpid()
    assert not found.executor


def test_an_installation_whose_id_begins_like_ours_is_not_ours(run: Run, installation: str) -> None:
    run(INSTALLATION=installation + "0")
    assert processes.scan(installation).labelled() == []


@pytest.mark.parametrize("name", ["../x", "", "a/b", "x" * 200])
def test_labels_that_nobody_of_us_wrote_are_ignored(run: Run, installation: str, name: str) -> None:
    run(CLUSTER=name)
    assert processes.scan(installation).labelled() == []


def test_the_process_that_asks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.getpid() not in {process.id.pid for process in processes.scan("any")}


def test_a_zombie_counts_as_gone(run: Run, installation: str) -> None:
    child = run()
    identity = processes.identify(child.pid)
    assert identity is not None
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert "Z" in Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2]
    assert processes.identify(child.pid) is None
    assert processes.identify_child(child.pid) == identity
    assert processes.scan(installation).labelled() == []


def test_a_pid_that_was_given_again_is_another_process(run: Run) -> None:
    child = run()
    identity = processes.identify(child.pid)
    assert identity is not None
    older = dataclasses.replace(identity, ticks=identity.ticks - 1)
    assert not processes.send(older, signal.SIGKILL)
    assert not processes.send(dataclasses.replace(identity, boot="another"), signal.SIGKILL)
    assert processes.open_pidfd(older) is None
    assert child.poll() is None
    assert processes.send(identity, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


async def test_waiting_ends_when_the_process_does_and_names_what_stays(run: Run) -> None:
    going, staying = run("pass"), run()
    identities = [processes.identify_child(child.pid) for child in (going, staying)]
    assert await processes.wait_gone(identities, 0.2) == {identities[1]}
    os.kill(staying.pid, signal.SIGKILL)
    assert await processes.wait_gone(identities, 10) == frozenset()


async def test_waiting_works_without_help_of_the_kernel(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "open_pidfd", lambda identity: None)
    child = run()
    identity = processes.identify_child(child.pid)
    assert await processes.wait_gone([identity], 0.2) == {identity}
    os.kill(child.pid, signal.SIGKILL)
    assert await processes.wait_gone([identity], 10) == frozenset()


def test_psutil_sees_what_proc_tells(run: Run, installation: str) -> None:
    child = run()
    by_psutil = Processes(processes.read_psutil(installation)).labelled()
    by_proc = processes.scan(installation).labelled()
    assert [(p.id.pid, p.parent, p.session, p.label) for p in by_psutil] == [
        (p.id.pid, p.parent, p.session, p.label) for p in by_proc
    ]
    assert by_psutil[0].id.pid == child.pid


def process(pid: int, parent: int, session: int, label: Label | None = None) -> Process:
    return Process(ProcessId(pid, pid, "boot"), parent, session, label)


def test_a_family_has_sessions_and_descendants_but_no_other_node() -> None:
    one, two = Label("c1", "worker-1", "i1"), Label("c1", "worker-2", "i2")
    everything = [
        process(10, 1, 10, one),
        process(11, 10, 10),  # lost its labels
        process(12, 11, 12),  # left the session as well
        process(13, 1, 12),  # and its parent died
        process(14, 10, 14, two),  # another node, although our child
        process(15, 1, 15),  # nobody's
    ]
    table = Processes(everything)
    family = table.family(table.labelled("c1", "worker-1"))
    assert {identity.pid for identity in family} == {10, 11, 12, 13}


def test_what_was_seen_in_a_family_stays_in_it_unless_its_pid_was_given_again() -> None:
    table = Processes([process(12, 1, 12), process(13, 1, 13)])
    known = [ProcessId(12, 12, "boot"), ProcessId(13, 7, "boot")]
    assert {identity.pid for identity in table.family([], known)} == {12}


def test_a_process_is_described_by_name_while_it_lives(run: Run) -> None:
    child = run()
    assert processes.describe(child.pid).startswith(f"pid {child.pid} (python")
    assert processes.describe(2**22 + 1) == f"pid {2**22 + 1}"
