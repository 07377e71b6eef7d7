"""What breaks comes back, and what ends is gone: real Spark, killed in every place, through the Python API.

One cluster serves all tests, because starting it is what costs. Each test brings it to where it needs it, so each
can run alone. Jobs wait at a gate, a file in the shared workspace, so that a kill meets a job for sure.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import fireside
from fireside import settings
from fireside.assembly import open_engine
from fireside.backends.local import ports, processes
from fireside.client import launch
from fireside.errors import NotFound, Refused
from fireside.gateway.auth import system_user

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

NAME = "recovery"
BASE = {"workers": {"count": 1, "cores": 1, "spark_memory": "1g"}, "executors": {"cores": 1, "memory": "600m"}}
OURS = ("FIRESIDE_", "SPARK_", "PYSPARK_")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for all tests; at the end everything in it is ended, and nothing of it may be left."""
    path = tmp_path_factory.mktemp("home")
    yield path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESIDE_HOME", str(path))
        for left in fireside.clusters():
            left.down(purge=True)
        launch.stop_server()
    _, alive = psutil.wait_procs(processes_of(path), timeout=15)
    assert alive == []


@pytest.fixture(autouse=True)
def _in_our_home(home: Path, monkeypatch: pytest.MonkeyPatch, _no_fireside_from_outside: None) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(home))


@pytest.fixture
def cluster(home: Path) -> fireside.Cluster:
    """The cluster, ready, as the test before left its spec."""
    there = any(each.name == NAME for each in fireside.clusters())
    return fireside.up(NAME) if there else fireside.up(NAME, spec=BASE)


# ------------------------------------------------------------------------------------------------ looking


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that belong to this home, found without any record of Fireside."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(home) in word for word in words):
            found.append(process)
    return found


def labelled(home: Path) -> list[tuple[str, psutil.Process]]:
    """Return (node, process) of everything that runs on behalf of a node."""
    found = []
    for process in processes_of(home):
        try:
            found.append((process.environ().get("FIRESIDE_NODE", ""), process))
        except psutil.Error:
            continue
    return [(node, process) for node, process in found if node]


def lives(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not taken away by the system yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def leaders(home: Path) -> dict[str, int]:
    """Return the PID of each node's own JVM: it leads a session."""
    found = {}
    for node, process in labelled(home):
        try:
            if os.getsid(process.pid) == process.pid:
                found[node] = process.pid
        except ProcessLookupError:
            continue
    return found


def executors(home: Path) -> list[int]:
    """Return the PIDs of the executors."""
    found = []
    for _, process in labelled(home):
        try:
            if any("CoarseGrainedExecutorBackend" in word for word in process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def server_pid() -> int:
    """Return the PID of Fireside's server."""
    return launch.open_client().version().pid


def addresses(cluster: fireside.Cluster) -> dict[str, str]:
    """Return every address of the cluster by node and port."""
    return {f"{node.name} {name}": at for node in cluster.status().nodes for name, at in node.addresses.items()}


def page(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:  # a driver's first page takes long on a busy machine
        return json.load(answer)


def living_workers(cluster: fireside.Cluster) -> int:
    """Return how many workers the master itself counts."""
    found: int = page(f"{cluster.links['master']}/json/")["aliveworkers"]
    return found


def driver_says(cluster: fireside.Cluster, about: str) -> Any:
    """Return what the driver's own page says about its application."""
    api = f"{cluster.links['application']}/api/v1/applications"
    return page(f"{api}/{page(api)[0]['id']}/{about}")


def until(look: Callable[[], Any], seconds: float = 90) -> Any:
    """Return what `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def last_event(cluster: fireside.Cluster) -> int:
    return max(event.seq for event in cluster.events())


def kinds(cluster: fireside.Cluster, after: int) -> list[tuple[str, str | None]]:
    return [(event.kind, event.node) for event in cluster.events(after=after)]


# ------------------------------------------------------------------------------------------- using, breaking


@contextmanager
def session(cluster: fireside.Cluster) -> Iterator[Any]:
    spark = cluster.session()
    try:
        yield spark
    finally:
        spark.stop()


def answer(spark: Any) -> int:
    """Return 499500, worked out on executors with a shuffle between."""
    total: int = spark.range(0, 1000, 1, 4).repartition(3).groupBy().sum("id").collect()[0][0]
    return total


def assert_usable(cluster: fireside.Cluster) -> None:
    with session(cluster) as spark:
        assert answer(spark) == 499500


def heal(cluster: fireside.Cluster, node: str, pid: int) -> None:
    """Kill a node and wait until its successor is ready."""
    before = last_event(cluster)
    started = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    for event in cluster.events(after=before, follow=True):
        if (event.kind, event.node) == ("node.ready", node):
            break
    cluster.wait()
    print(f"{node} killed and ready again after {time.monotonic() - started:.1f} s")
    assert ("node.exited", node) in kinds(cluster, before)


class Gate:
    """A file that tasks wait for, and the marks of those that wait."""

    def __init__(self, cluster: fireside.Cluster, name: str) -> None:
        self._folder = Path(cluster.connection().workspace, f"gate-{name}-{time.monotonic_ns()}")
        self._folder.mkdir(parents=True)

    def function(self) -> Any:
        """Return a user's function that gives its number back once the gate is open."""
        from pyspark.sql.functions import udf

        folder = str(self._folder)

        @udf("long")  # type: ignore[untyped-decorator, unused-ignore]
        def wait(number: int) -> int:
            import time
            from pathlib import Path

            Path(folder, f"waits-{number}").touch()
            while not Path(folder, "open").exists():
                time.sleep(0.02)
            return number

        return wait

    def waiting(self) -> int:
        """Return how many tasks came as far as the gate."""
        return len(list(self._folder.glob("waits-*")))

    def open(self) -> None:
        """Let all tasks through."""
        (self._folder / "open").touch()


class Job(threading.Thread):
    """Something that Spark does while the test does something else."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._action = action
        self._result: Any = None
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Do it."""
        try:
            self._result = self._action()
        except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
            self._error = error

    def result(self, seconds: float = 120) -> Any:
        """Return what came out, or raise what went wrong."""
        self.join(seconds)
        assert not self.is_alive(), "the job does not end"
        if self._error is not None:
            raise self._error
        return self._result


def fireside_cli(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k == "FIRESIDE_HOME" or not k.startswith(OURS)}
    return subprocess.run(
        [sys.executable, "-m", "fireside", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


# ---------------------------------------------------------------------------------------------------- kills


def test_a_killed_worker_registers_again(cluster: fireside.Cluster, home: Path) -> None:
    # STD-17
    before = addresses(cluster)
    heal(cluster, "worker-1", leaders(home)["worker-1"])
    assert living_workers(cluster) == cluster.status().workers_ready == cluster.status().workers_wanted
    assert addresses(cluster) == before
    assert_usable(cluster)


def test_a_killed_executor_is_replaced_by_spark_within_the_session(cluster: fireside.Cluster, home: Path) -> None:
    with session(cluster) as spark:
        assert answer(spark) == 499500
        before = executors(home)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert answer(spark) == 499500
    assert not set(before) & set(executors(home))


def test_a_job_outlives_a_killed_master(cluster: fireside.Cluster, home: Path) -> None:
    # STD-17, STD-18
    gate, before = Gate(cluster, "master"), addresses(cluster)
    with session(cluster) as spark:
        rows = spark.range(0, 40, 1, 4).select(gate.function()("id").alias("id")).groupBy()
        job = Job(lambda: rows.sum("id").collect()[0][0])
        until(gate.waiting)
        nodes = leaders(home)
        heal(cluster, "master", nodes.pop("master"))
        gate.open()
        assert job.result() == 780
        assert answer(spark) == 499500
    assert addresses(cluster) == before
    assert living_workers(cluster) == cluster.status().workers_wanted
    after = leaders(home)
    assert {name: after[name] for name in nodes} == nodes


def test_a_killed_connect_server_comes_back_and_old_sessions_say_that_they_ended(
    cluster: fireside.Cluster, home: Path
) -> None:
    from pyspark.errors.exceptions.connect import SparkConnectException

    before, spark = addresses(cluster), cluster.session()
    assert answer(spark) == 499500
    heal(cluster, "connect", leaders(home)["connect"])
    with pytest.raises(SparkConnectException, match="SESSION"):
        answer(spark)
    assert addresses(cluster) == before
    with session(cluster) as fresh:  # takes the old one's place: `udf` looks for the current session
        gate = Gate(cluster, "connect")
        gate.open()
        assert fresh.range(3).select(gate.function()("id").alias("id")).groupBy().sum("id").collect()[0][0] == 3


def test_nodes_outlive_a_killed_server_and_the_next_one_adopts_them(cluster: fireside.Cluster, home: Path) -> None:
    before, nodes, old = last_event(cluster), leaders(home), server_pid()
    with session(cluster) as spark:
        os.kill(old, signal.SIGKILL)
        assert answer(spark) == 499500
    until(lambda: not lives(old))
    assert fireside.cluster(NAME).wait().phase == "ready"
    assert server_pid() != old
    until(lambda: ("cluster.adopted", None) in kinds(cluster, before))
    assert leaders(home) == nodes
    assert not {"node.exited", "node.started"} & {kind for kind, _ in kinds(cluster, before)}


def test_a_node_that_cannot_start_ends_in_a_reason_and_the_change_back_heals_it(
    cluster: fireside.Cluster, home: Path
) -> None:
    nodes = leaders(home)
    flag = "spark.driver.extraJavaOptions"
    with pytest.raises(Refused, match=r"connect: died 5 times before it was ready, the last time: .*library nosuch"):
        fireside.up(NAME, change="merge", connect={"conf": {flag: "-agentlib:nosuch"}})
    status = cluster.status()
    assert (status.phase, status.reason) == ("failed", "node-failed")
    left = leaders(home)  # somebody may have work on what runs
    assert left == {name: pid for name, pid in nodes.items() if name != "connect"}
    with pytest.raises(Refused, match=r"connect: Java refuses its options: Unrecognized VM option 'NoSuchFlag'"):
        fireside.up(NAME, change="merge", connect={"conf": {flag: "-XX:+NoSuchFlag"}})
    fireside.up(NAME, change="merge", connect={"conf": {flag: None}})
    assert_usable(cluster)


# ------------------------------------------------------------------------------------------------- changes


def test_jobs_finish_right_while_workers_come_and_go(cluster: fireside.Cluster) -> None:
    cluster.scale(1)
    growing, shrinking = Gate(cluster, "growing"), Gate(cluster, "shrinking")
    with session(cluster) as spark:
        job = Job(spark.range(0, 9, 1, 9).select(growing.function()("id").alias("id")).groupBy().sum("id").collect)
        until(growing.waiting)
        cluster.scale(3)
        assert living_workers(cluster) == 3
        until(lambda: growing.waiting() >= 3)  # the new workers take part in the job that ran before them
        growing.open()
        assert job.result()[0][0] == 36

        kept = spark.range(0, 600, 1, 6).persist()
        assert kept.count() == 600
        rows = spark.range(0, 600, 1, 6).repartition(6).select(shrinking.function()("id").alias("id"))
        job = Job(rows.groupBy().sum("id").collect)
        until(lambda: shrinking.waiting() >= 3)
        before = last_event(cluster)
        launch.open_client().scale(cluster.id, 1)
        until(lambda: {("node.draining", f"worker-{n}") for n in (2, 3)} <= set(kinds(cluster, before)))
        shrinking.open()
        assert job.result()[0][0] == 179700
        cluster.wait()
        # What drained workers held was handed over: nothing that was kept has to be worked out again.
        assert [each["numCachedPartitions"] for each in driver_says(cluster, "storage/rdd")] == [6]
        failed = sum(each["failedTasks"] for each in driver_says(cluster, "allexecutors"))
        print(f"failed tasks: {failed}")
        assert kept.count() == 600
    assert living_workers(cluster) == 1
    assert [node.name for node in cluster.status().nodes if node.role == "worker"] == ["worker-1"]


def test_a_change_of_the_connect_server_restarts_it_alone_and_leaves_room_for_a_driver(
    cluster: fireside.Cluster, home: Path, tmp_path: Path
) -> None:
    # STO-01, STO-02
    fireside.up(NAME, change="merge", workers=2)
    nodes = leaders(home)
    fireside.up(NAME, change="merge", connect={"conf": {"spark.cores.max": "1", "spark.ui.retainedJobs": "50"}})
    changed = leaders(home)
    assert [name for name in nodes if changed[name] != nodes[name]] == ["connect"]

    script = tmp_path / "classic.py"
    script.write_text(
        textwrap.dedent("""
            import os
            from pyspark import SparkContext
            path = os.path.join(os.environ["SHARED_WORKSPACE"], "from-executors")
            def write(numbers):
                with open(os.path.join(os.environ["SHARED_WORKSPACE"], "from-executors"), "w") as file:
                    file.write(str(sum(numbers)))
                return [1]
            with SparkContext(appName="classic") as spark:
                spark.parallelize(range(100), 1).mapPartitions(write).collect()
            with open(path) as file:
                print("the driver reads", file.read())
        """)
    )
    gate = Gate(cluster, "classic")
    with session(cluster) as spark:
        job = Job(spark.range(0, 2, 1, 2).select(gate.function()("id").alias("id")).collect)
        until(gate.waiting)
        ran = fireside_cli("run", "--classic", NAME, str(script))  # while the Connect server holds its core
        gate.open()
        assert len(job.result()) == 2
    assert (ran.returncode, ran.stdout) == (0, "the driver reads 4950\n"), ran.stderr
    workspace = Path(cluster.connection().workspace)
    assert (workspace / "from-executors").read_text() == "4950"
    (workspace / "from-client.csv").write_text("1\n2\n3\n")
    with session(cluster) as spark:
        assert spark.read.csv(str(workspace / "from-client.csv")).count() == 3


# ---------------------------------------------------------------------------------------------------- ends


def hang(cluster: fireside.Cluster) -> int:
    """Run a user's function that ignores every polite signal and never ends; return its PID."""
    from pyspark.sql.functions import udf

    spark = cluster.session()
    spark.client.set_retry_policies([])  # its server will be gone: do not ask for ten minutes
    mark = Path(cluster.connection().workspace, "hangs")
    mark.unlink(missing_ok=True)
    path = str(mark)

    @udf("long")  # type: ignore[untyped-decorator, unused-ignore]
    def never(number: int) -> int:
        import os
        import signal
        import time
        from pathlib import Path

        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        Path(f"{path}.part").write_text(str(os.getpid()))
        Path(f"{path}.part").rename(path)
        while True:
            time.sleep(60)

    Job(spark.range(1).select(never("id")).collect)
    until(mark.exists)
    return int(mark.read_text())


def test_down_ends_even_a_function_that_hangs_and_leaves_nothing_that_runs(
    cluster: fireside.Cluster, home: Path
) -> None:
    numbers = [int(address.rpartition(":")[2]) for address in addresses(cluster).values()]
    hung = hang(cluster)
    assert lives(hung)
    cluster.down()
    assert not lives(hung)
    assert labelled(home) == []
    assert [number for number in numbers if not ports.is_free(number)] == []
    listening = [c.laddr.port for p in processes_of(home) for c in p.net_connections("inet") if c.status == "LISTEN"]
    assert listening == []
    kept = {path.name for path in (home / "clusters" / cluster.id).iterdir()}
    assert kept == {"data", "logs", "secrets", "ports.json", "applied.json"}


def test_tables_and_files_outlive_the_cluster_and_the_server_until_they_are_purged(
    cluster: fireside.Cluster, home: Path
) -> None:
    # STO-03
    workspace = Path(cluster.connection().workspace)
    (workspace / "notes").write_text("kept")
    with session(cluster) as spark:
        spark.range(10).write.mode("overwrite").saveAsTable("kept")
    cluster.down()
    launch.stop_server()
    again = fireside.up(NAME)
    with session(again) as spark:
        assert spark.table("kept").count() == 10
    assert Path(again.connection().workspace, "notes").read_text() == "kept"

    again.down(purge=True)
    assert not workspace.exists()
    assert not (home / "clusters" / again.id).exists()
    with pytest.raises(NotFound):
        fireside.cluster(NAME)


def test_after_a_reboot_it_is_stopped_and_comes_back_even_when_a_port_was_taken_meanwhile(
    cluster: fireside.Cluster, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, taken = last_event(cluster), int(addresses(cluster)["master rpc"].rpartition(":")[2])
    launch.stop_server()
    for pid in leaders(home).values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not labelled(home))

    with monkeypatch.context() as patch:
        patch.setattr(processes, "boot_id", lambda: "another-boot")
        status = asyncio.run(status_after_boot())
    assert (status.phase, status.reason) == ("stopped", "machine-restarted")
    assert status.message.endswith(f"Bring it back with: fireside up {NAME}")
    assert labelled(home) == []

    with closing(socket.create_server(("127.0.0.1", taken))):
        fireside.up(NAME)
        told = [event.message for event in cluster.events(after=before) if event.kind == "port.replaced"]
        assert [each for each in told if each.startswith(f"port {taken} taken by pid {os.getpid()} ")]
        assert_usable(cluster)


async def status_after_boot() -> Any:
    """Return what an engine that starts on this machine now thinks of the cluster."""
    async with asyncio.timeout(60), open_engine(settings.load()) as assembled:
        engine = asyncio.create_task(assembled.engine.run())
        try:
            while True:
                record = await assembled.engine.wait(system_user(), NAME)
                if record.desired == "stopped":
                    return record.status
                await asyncio.sleep(0.05)
        finally:
            engine.cancel()
            await asyncio.gather(engine, return_exceptions=True)
