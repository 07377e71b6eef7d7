"""A cluster's two secrets are in its owner's files and answers, and nowhere else: a test that looks everywhere.

One small cluster with a master, a worker, a Connect server and an executor that has worked. SEC-03, SEC-04, CLI-05,
W-28.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import fireside
from fireside import wire
from fireside.client import launch, ping, rendezvous
from fireside.client.session import open_session
from fireside.errors import FiresideError
from fireside.settings import Settings

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

NAME = "quiet"
SPEC = {"workers": {"count": 1, "cores": 1, "memory": "1536m"}, "executors": {"memory": "600m"}}
REST_PORT = 6066


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESIDE_HOME", str(path))
        yield path
        for left in fireside.clusters():
            left.down(purge=True)
        launch.stop_server()


@pytest.fixture(autouse=True)
def _in_our_home(home: Path, monkeypatch: pytest.MonkeyPatch, _no_fireside_from_outside: None) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(home))


@pytest.fixture(scope="module")
def cluster(home: Path) -> fireside.Cluster:
    """A cluster whose executor has run Python, so that every kind of process that there is, is there."""
    up = fireside.up(NAME, spec=SPEC)
    spark = up.session()
    try:
        from pyspark.sql.functions import udf

        rows = spark.range(3).select(udf(str, "string")("id").alias("text")).collect()
        assert sorted(row.text for row in rows) == ["0", "1", "2"]
    finally:
        spark.stop()
    return up


@pytest.fixture(scope="module")
def connection(cluster: fireside.Cluster) -> wire.Connection:
    return cluster.connection()


@pytest.fixture(scope="module")
def secrets(connection: wire.Connection) -> tuple[str, ...]:
    assert connection.token
    assert connection.rpc_secret
    assert connection.token != connection.rpc_secret
    assert min(len(connection.token), len(connection.rpc_secret)) >= 32
    return connection.token, connection.rpc_secret


Secrets = tuple[str, ...]


def shows(text: str, secrets: Secrets) -> bool:
    return any(secret in text for secret in secrets)


def processes(home: Path) -> list[psutil.Process]:
    """Return every process that has the home in its words or its environment, and what those started."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid == os.getpid():
                continue
            if any(str(home) in word for word in (*process.cmdline(), *process.environ().values())):
                found.update({each.pid: each for each in (process, *process.children(recursive=True))})
    return list(found.values())


def test_no_argument_of_any_process_is_a_secret(cluster: fireside.Cluster, home: Path, secrets: Secrets) -> None:
    seen = 0
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert not shows(words.read_bytes().decode(errors="replace"), secrets), words
            seen += 1
    assert seen > 3
    assert not shows(subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout, secrets)
    # Master, worker, Connect server, executor: what was looked at is what this is about.
    javas = [process for process in processes(home) if "java" in process.name()]
    assert len(javas) >= 4


def test_secrets_lie_in_private_files_alone_and_in_no_log(
    cluster: fireside.Cluster, home: Path, secrets: Secrets
) -> None:
    holding = {path for path in files_of(home) if shows(path.read_bytes().decode(errors="replace"), secrets)}
    assert holding, "the search finds what is there"
    for path in holding:
        assert path.parent.name in {"secrets", "conf"}, path
    logs = [path for path in files_of(home) if path.suffix == ".log" or path.name in {"stdout", "stderr"}]
    assert {"server.log", "stderr"} <= {path.name for path in logs}


def files_of(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if stat.S_ISREG(path.lstat().st_mode)]


def test_everything_below_the_home_is_its_owners_alone(cluster: fireside.Cluster, home: Path) -> None:
    for path in (home, *home.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # Spark takes files of its own away
            found = path.lstat()
            assert stat.S_ISLNK(found.st_mode) or not found.st_mode & 0o077, path
    socket = rendezvous.meeting_of(Settings(home=home)).socket
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600


def test_no_object_repeats_a_secret(cluster: fireside.Cluster, connection: wire.Connection, secrets: Secrets) -> None:
    spark = cluster.session()
    try:
        for each in (cluster, connection, cluster.status(), spark, spark.client):
            assert not shows(f"{each!r} {each}", secrets), type(each)
        assert not shows(cluster._repr_html_(), secrets)
    finally:
        spark.stop()


def test_no_error_repeats_a_secret(connection: wire.Connection, secrets: Secrets) -> None:
    """A token that is wrong, and an address where nobody is: what is said names neither the one nor the other's."""
    wrong = "w" * 43
    with pytest.raises(FiresideError) as refused:
        open_session(connection.model_copy(update={"token": wrong}))
    nobody = connection.model_copy(update={"remote": "sc://localhost:1"})
    with pytest.raises(FiresideError) as away:
        open_session(nobody)
    failed = [hop.error for hop in ping.ping(nobody, timeout=5) if hop.error is not None]
    assert failed
    for error in (refused.value, away.value, *failed):
        said = json.dumps([repr(error), str(error), str(error.__cause__), vars(error)], default=str)
        assert not shows(said, (*secrets, wrong))


def test_no_answer_but_the_connection_has_a_secret(cluster: fireside.Cluster, home: Path, secrets: Secrets) -> None:
    transport = httpx.HTTPTransport(uds=str(rendezvous.meeting_of(Settings(home=home)).socket))
    routes = ("", "/events", "/logs", "/data", "/wait?timeout=5")
    with httpx.Client(transport=transport, base_url="http://fireside/api/v1", timeout=60) as api:
        asked = [f"/clusters/{ref}{route}" for ref in (cluster.id, NAME) for route in routes]
        asked += ["/clusters", "/version", "/health", "/schema", "/openapi.json", "/nope"]
        for path in asked:
            assert not shows(api.get(path).text, secrets), path
        assert not shows(api.post("/plan", json={"spec": {"name": NAME}, "change": "merge"}).text, secrets)
        assert not shows(api.post("/clusters", json={"spec": {"name": NAME, "workers": 2}}).text, secrets)
        assert shows(api.get(f"/clusters/{NAME}/connection").text, secrets)


def test_no_command_but_env_prints_a_secret(cluster: fireside.Cluster, secrets: Secrets) -> None:
    commands: list[list[str]] = [
        ["ps", "--json"], ["status", NAME], ["status", NAME, "--json"], ["events", NAME, "--json"], ["logs", NAME],
        ["explain", NAME, "--show-conf"], ["ping", NAME], ["sql", "select 1", "--cluster", NAME], ["up", NAME],
        ["open", NAME], ["server", "status", "--json"], ["server", "logs"],
        ["sql", "select nothing from nowhere", "--cluster", NAME],
    ]  # fmt: skip
    for words in commands:
        assert not shows(_said(words), secrets), words
    assert shows(_said(["env", NAME]), secrets)


def _said(words: list[str]) -> str:
    environment: dict[str, Any] = {**os.environ, "NO_COLOR": "1", "BROWSER": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "fireside", *words], env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "usage" not in done.stderr.lower(), done.stderr
    return done.stdout + done.stderr


def test_all_that_listens_is_on_loopback_and_takes_no_jobs_over_rest(cluster: fireside.Cluster, home: Path) -> None:
    listening = [
        connection.laddr
        for process in processes(home)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5  # RPC and page of master and worker, gRPC and page of the Connect server
    for address in listening:
        assert address.ip.removeprefix("::ffff:") in {"127.0.0.1", "::1"}, address
        assert address.port != REST_PORT
