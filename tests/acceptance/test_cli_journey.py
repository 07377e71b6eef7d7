"""A user's way through the command line, on real Spark: up, look, use, change, down, purge.

One cluster serves all steps, because starting it is what costs. Each step is a test; the home is a temporary one,
and whatever happens the cluster and the server are ended at the end, and nothing of them may be left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

Fireside = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fireside")


@pytest.fixture(scope="module")
def fireside(home: Path) -> Iterator[Fireside]:
    """Runs the real command in a home of its own; ends everything afterwards."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FIRESIDE_", "SPARK_", "PYSPARK_"))}
    environment = {**kept, "FIRESIDE_HOME": str(home), "NO_COLOR": "1"}

    def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fireside", *arguments],
            env=environment,
            cwd=home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    try:
        yield run
    finally:
        run("down", "--all", "--purge", "--yes")
        run("server", "stop")
    # The server gives its lock back, which `server stop` waits for, a moment before its process ends.
    _, left = psutil.wait_procs(processes_of(home), timeout=15)
    assert left == []


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that belong to this home."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(home) in word for word in words):
            found.append(process)
    return found


@pytest.fixture(scope="module")
def cluster(fireside: Fireside) -> str:
    """A running cluster with one worker."""
    # The Connect server takes one core of two, so that a driver of its own finds one, too.
    sizes = ("connect.conf.spark.cores.max=1", "executors.cores=1", "executors.memory=600m")
    flags = [word for size in sizes for word in ("--set", size)]
    up = fireside("up", "journey", "--workers", "1", "--cores", "2", *flags)
    assert up.returncode == 0, up.stderr
    assert "is ready" in up.stdout
    assert "fireside.cluster('journey').session()" in up.stdout
    return "journey"


def test_before_anything_ps_says_how_to_start(fireside: Fireside) -> None:
    shown = fireside("ps")
    assert (shown.returncode, shown.stdout) == (0, "No clusters. Start one: fireside up\n")


def test_ps_and_status_show_a_ready_cluster(fireside: Fireside, cluster: str) -> None:
    [view] = json.loads(fireside("ps", "--json").stdout)["clusters"]
    assert (view["name"], view["phase"], view["workers_ready"]) == (cluster, "ready", 1)
    assert "worker-1" in fireside("status").stdout


def test_the_same_up_again_changes_nothing(fireside: Fireside, cluster: str) -> None:
    before = json.loads(fireside("status", "--json").stdout)
    again = json.loads(fireside("up", cluster, "--json").stdout)
    assert (again["id"], again["generation"]) == (before["id"], before["generation"])


def test_sql_prints_a_table_json_and_csv(fireside: Fireside, cluster: str) -> None:
    query = "SELECT sum(id) AS total, 'a,b' AS text FROM range(1000)"
    assert fireside("sql", query).stdout == "total   text\n499500  a,b\n(1 row)\n"
    assert json.loads(fireside("sql", query, "--json").stdout) == [{"total": 499500, "text": "a,b"}]
    assert fireside("sql", cluster, "-", "--csv", stdin=query).stdout == 'total,text\n499500,"a,b"\n'


def test_a_failing_query_ends_with_1(fireside: Fireside, cluster: str) -> None:
    failed = fireside("sql", "SELECT nope")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: the query failed: [UNRESOLVED_COLUMN")


def test_the_smoke_test_passes(fireside: Fireside, cluster: str) -> None:
    results = json.loads(fireside("test", "--json").stdout)
    assert [(each["name"], each["ok"]) for each in results] == [
        ("SQL", True),
        ("DataFrame", True),
        ("pandas API", True),
        ("Pi", True),
    ]


def test_ping_times_every_hop(fireside: Fireside, cluster: str) -> None:
    # CLI-06
    hops = json.loads(fireside("ping", "--json").stdout)
    assert [hop["name"] for hop in hops] == ["DNS", "TCP", "gRPC", "session", "first rows"]
    assert all(hop["ok"] for hop in hops)


def test_a_script_runs_as_a_client_and_its_exit_code_is_passed_on(
    fireside: Fireside, cluster: str, tmp_path: Path
) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent("""
            import sys
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.getOrCreate()
            print(type(spark).__module__, spark.range(5).count(), sys.argv[1:])
            sys.exit(3)
        """)
    )
    ran = fireside("run", str(script), "--date", "today")
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == "pyspark.sql.connect.session 5 ['--date', 'today']\n"


def test_env_makes_stock_pyspark_find_the_cluster(fireside: Fireside, cluster: str) -> None:
    code = "from pyspark.sql import SparkSession; print(SparkSession.builder.getOrCreate().range(7).count())"
    exports = fireside("env").stdout
    ran = subprocess.run(
        ["/bin/sh", "-c", f'{exports}\nexec "$0" -c "$1"', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.stdout == "7\n", ran.stderr


def test_a_script_with_a_driver_of_its_own_runs_and_leaves_no_secret(
    fireside: Fireside, cluster: str, tmp_path: Path
) -> None:
    script = tmp_path / "rdd.py"
    script.write_text(
        textwrap.dedent("""
            import os
            from pyspark import SparkContext
            with SparkContext(appName="rdd") as spark:
                print(os.environ["SPARK_CONF_DIR"], spark.parallelize(range(100)).map(lambda x: x * 2).sum())
        """)
    )
    ran = fireside("run", "--classic", str(script))
    assert ran.returncode == 0, ran.stderr
    folder, total = ran.stdout.split()
    assert total == "9900"
    assert not Path(folder).exists()


def test_no_secret_stands_in_any_command_line_or_log(fireside: Fireside, cluster: str) -> None:
    token = json.loads(fireside("env", "--json").stdout)["SPARK_CONNECT_AUTHENTICATE_TOKEN"]
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not any(token in line for line in lines)
    assert token not in fireside("logs", "--tail", "10000").stdout
    assert token not in fireside("status", "--json").stdout


def test_scale_is_told_as_events(fireside: Fireside, cluster: str) -> None:
    assert fireside("scale", cluster, "2").returncode == 0
    scaled = fireside("scale", cluster, "1")
    assert scaled.returncode == 0, scaled.stderr
    assert "1 of 1 workers" in scaled.stdout
    assert "worker-2" in fireside("events").stdout


def test_down_keeps_tables_and_up_finds_them_again(fireside: Fireside, cluster: str) -> None:
    # STO-03
    assert fireside("sql", "CREATE TABLE kept AS SELECT 42 AS answer").returncode == 0
    assert fireside("down").returncode == 0
    assert "stopped already" in fireside("down").stdout
    assert fireside("up", cluster).returncode == 0
    assert fireside("sql", "SELECT answer FROM kept", "--csv").stdout == "answer\n42\n"


def test_purge_says_what_goes_and_takes_it(fireside: Fireside, cluster: str) -> None:
    assert fireside("down").returncode == 0
    asked = fireside("purge", cluster)
    assert asked.returncode == 4
    assert "this deletes 'journey' and its data" in asked.stderr
    assert fireside("purge", cluster, "--yes").returncode == 0
    assert fireside("status", cluster).returncode == 3
