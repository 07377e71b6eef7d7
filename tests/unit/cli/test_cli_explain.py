"""`explain`, `schema`, `server`, `version`, `env`, `open`: what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fireside.wire import ClusterView

Run = Callable[..., Any]
View = Callable[..., ClusterView]


@pytest.fixture(autouse=True)
def _caller_without_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireside.client.caller.with_caller", dict)


def test_explain_prints_sums_that_add_up(fireside: Run, server: Any) -> None:
    assert fireside("explain").stdout == (
        "master: 1 x 1 core\n"
        "  heap             256 MiB\n"
        "  overhead         256 MiB\n"
        "  ------------------------\n"
        "  limit of a node  512 MiB\n"
        "\n"
        "worker: 2 x 2 cores\n"
        "  daemon heap       256 MiB\n"
        "  executors        1792 MiB\n"
        "  -------------------------\n"
        "  limit of a node  2048 MiB\n"
        "\n"
        "all nodes: 1 x 512 + 2 x 2048 = 4608 MiB\n"
        "this machine: 8000 MiB; 3392 MiB are left\n"
    )


def test_explain_shows_the_configuration_when_asked(fireside: Run, server: Any) -> None:
    assert fireside("explain", "--show-conf").stdout.endswith("\nworker:\n  spark.a=1\n  spark.b=2\n")


def test_explain_makes_nothing(fireside: Run, server: Any) -> None:
    assert json.loads(fireside("explain", "--json", "-w", "3").stdout)["total_memory"] == 4608
    assert [name for name, _ in server.calls] == ["plan"]


def test_schema_is_json_schema_and_needs_no_server(fireside: Run) -> None:
    assert json.loads(fireside("schema").stdout)["properties"]["workers"]


def test_server_status_says_how_it_is(fireside: Run, server: Any) -> None:
    assert fireside("server", "status").stdout == (
        "Fireside 0.1.0, process 812, installation i-1: ok\n  socket: /run/server.sock\n  store: ok\n"
    )


def test_server_status_without_a_server_starts_none(fireside: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireside.cli.target.running_client", lambda: None)
    assert fireside("server", "status").stdout.startswith("No server runs.")
    assert json.loads(fireside("server", "status", "--json").stdout) == {"running": False}


def test_errors_below_server_are_reported_like_all(
    fireside: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    result = fireside("server", "logs")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: there is no log ")
    assert fireside("server", "logs", "--nope").exit_code == 2


def test_version_names_client_and_server(fireside: Run, server: Any) -> None:
    facts = json.loads(fireside("version", "--json").stdout)
    assert {"fireside", "server", "python", "pyspark"} == set(facts)


def test_env_prints_what_a_shell_can_evaluate(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    assert fireside("env").stdout == (
        "export PYSPARK_PYTHON=/usr/bin/python3\n"
        "export SHARED_WORKSPACE='/home/me/work space'\n"
        "export SPARK_CONNECT_AUTHENTICATE_TOKEN='the token'\"'\"'s value'\n"
        "export SPARK_MASTER_URL=spark://127.0.0.1:7077\n"
        "export SPARK_REMOTE=sc://localhost:15002\n"
    )


def test_env_can_be_taken_back(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    assert set(fireside("env", "--unset").stdout.splitlines()) == {
        "unset PYSPARK_PYTHON",
        "unset SHARED_WORKSPACE",
        "unset SPARK_CONNECT_AUTHENTICATE_TOKEN",
        "unset SPARK_MASTER_URL",
        "unset SPARK_REMOTE",
    }


def test_open_prints_links_and_opens_nothing_without_a_display(
    fireside: Run, server: Any, new_cluster: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("fireside.cli.use._has_display", lambda: False)
    server.add(new_cluster())
    assert fireside("open").stdout == "master: http://127.0.0.1:8080\n"
    assert opened == []
    monkeypatch.setattr("fireside.cli.use._has_display", lambda: True)
    fireside("open", "--print")
    assert opened == []
    fireside("open")
    assert opened == ["http://127.0.0.1:8080"]


def test_open_of_an_unknown_page_names_those_there_are(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    result = fireside("open", "default", "nope")
    assert result.exit_code == 3
    assert "allowed: master\n" in result.stderr
