"""Clients whose PySpark is not the cluster's: told at once, with both versions and what to install.

One real `single` cluster serves all tests. A client is the real command under an interpreter that sees this one's
packages through links, PySpark as another version or not at all: nothing has to be installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import fireside

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SPARK = version("pyspark")
MINOR = SPARK.rpartition(".")[0]
SESSION = "import fireside; print(fireside.cluster('served').session().range(7).count())"

Client = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clients run, with a script of theirs in it."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "job.py").write_text(
        "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(7).count())\n"
    )
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FIRESIDE_", "SPARK_", "PYSPARK_", "PYTHON"))}
    return {**kept, "FIRESIDE_HOME": str(tmp_path_factory.mktemp("home")), "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def _served(environment: dict[str, str]) -> Iterator[None]:
    """Run a cluster called `served`; end it and its server afterwards."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fireside", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)

    try:
        up = run("up", "served", "--topology", "single", "--cores", "1", "--memory", "2g")
        assert up.returncode == 0, up.stderr
        yield
    finally:
        run("down", "--all", "--purge", "--yes")
        run("server", "stop")


@pytest.fixture
def client_with(_served: None, folder: Path, environment: dict[str, str], tmp_path: Path) -> Callable[..., Client]:
    """Makes a client: a Python that sees PySpark as another version, or does not see it."""

    def make(spark: str | None) -> Client:
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            # Without a `.pth` nothing leads back to the packages themselves.
            if not entry.name.startswith("pyspark-") and (spark or entry.name != "pyspark") and entry.suffix != ".pth":
                (tmp_path / entry.name).symlink_to(entry)
        if spark is not None:
            metadata = tmp_path / f"pyspark-{spark}.dist-info" / "METADATA"
            metadata.parent.mkdir()
            metadata.write_text(f"Metadata-Version: 2.1\nName: pyspark\nVersion: {spark}\n")
        source = Path(fireside.__file__).parents[1]
        seen = {**environment, "PYTHONPATH": f"{tmp_path}{os.pathsep}{source}"}

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-S", *arguments],
                env=seen,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,  # a stock client would ask for minutes
                check=False,
            )

        return run

    return make


WAYS_IN = [
    pytest.param(("-m", "fireside", "ping", "served"), id="ping"),
    pytest.param(("-m", "fireside", "run", "served", "job.py"), id="run"),
    pytest.param(("-m", "fireside", "shell", "served"), id="shell"),
    pytest.param(("-m", "fireside", "sql", "served", "select 1"), id="sql"),
    pytest.param(("-c", SESSION), id="session"),
]


@pytest.mark.parametrize("words", WAYS_IN)
def test_a_client_of_another_minor_version_is_told_both_and_what_to_install(
    client_with: Callable[..., Client], words: tuple[str, ...]
) -> None:
    # VER-01, VER-02, CLI-03
    done = client_with("4.2.0")(*words)
    assert f"the client has Spark 4.2.0, the server has Spark {SPARK}" in done.stderr
    if words[0] == "-m":
        assert done.returncode == 8
        assert f"hint: pip install 'pyspark[connect]=={SPARK}'" in done.stderr


@pytest.mark.parametrize("words", WAYS_IN)
def test_a_client_without_pyspark_is_told_what_to_install(
    client_with: Callable[..., Client], words: tuple[str, ...]
) -> None:
    # VER-02, CLI-03
    done = client_with(None)(*words)
    assert "pyspark is not installed for" in done.stderr
    if words[0] == "-m":
        assert done.returncode == 9
        assert f"-m pip install 'pyspark[connect]=={SPARK}'" in done.stderr


def test_a_client_of_another_patch_release_works(client_with: Callable[..., Client]) -> None:
    # VER-02
    client = client_with(f"{MINOR}.99")
    assert client("-c", SESSION).stdout.endswith("7\n")
    ran = client("-m", "fireside", "run", "served", "job.py")
    assert (ran.returncode, ran.stdout) == (0, "7\n"), ran.stderr
    ping = client("-m", "fireside", "ping", "served")
    assert ping.returncode == 0, ping.stderr
    assert f"Spark {SPARK}, client {MINOR}.99" in ping.stdout
