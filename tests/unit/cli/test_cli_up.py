"""`up`: what is asked of the server, what is shown, what a change needs, what Ctrl-C leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fireside.cli import output
from fireside.wire import ChangeView, ClusterView, Problem

Run = Callable[..., Any]
View = Callable[..., ClusterView]

CHANGE = ChangeView(
    action="change",
    live=["workers: 2 → 4"],
    restarts=["connect: its memory changes"],
    fields={"workers.count": (2, 4), "connect.memory": (None, "2g")},
)


@pytest.fixture(autouse=True)
def _caller_without_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller brings along differs from machine to machine."""
    monkeypatch.setattr("fireside.client.caller.with_caller", dict)


def test_up_shows_the_snippet_the_links_and_how_to_stop(fireside: Run, server: Any) -> None:
    result = fireside("up")
    assert result.exit_code == 0
    assert result.stdout == (
        "'default' is ready: Spark 4.3.0, 2 workers (standalone, local)\n"
        "  master: http://127.0.0.1:8080\n"
        "\n"
        "In Python:\n"
        "  import fireside\n"
        "  spark = fireside.cluster('default').session()\n"
        "  spark.range(10).show()\n"
        "\n"
        "With stock PySpark:\n"
        '  eval "$(fireside env default)"\n'
        "  python -c 'from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate().range(10).show()'\n"
        "\n"
        "Stop it:  fireside down\n"
    )


def test_up_shows_events_and_what_it_waits_for(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster(phase="starting", message="waits for worker-2"))
    server.not_yet = 2
    result = fireside("up")
    assert result.stderr == "created\nwaiting: waits for worker-2\n"


def test_up_asks_for_what_flags_say(fireside: Run, server: Any) -> None:
    fireside("up", "etl", "-w", "3", "--cores", "2", "--memory", "3g", "--conf", "spark.a.b=1=2")
    [(spec, change, _)] = server.named("create")
    assert spec == {
        "name": "etl",
        "workers": {"count": 3, "cores": 2, "memory": "3g"},
        "spark": {"conf": {"spark.a.b": "1=2"}},
    }
    assert change == "merge"


def test_sizes_of_a_single_cluster_are_those_of_its_server(fireside: Run, server: Any) -> None:
    fireside("up", "--topology", "single", "--memory", "2g")
    [(spec, _, _)] = server.named("create")
    assert spec == {"topology": "single", "connect": {"memory": "2g"}}


def test_set_reads_values_as_a_spec_file_does(fireside: Run, server: Any) -> None:
    fireside("up", "--set", "overcommit=true", "--set", "spark.conf.spark.x.y=5", "--set", "executors.memory=1g")
    [(spec, _, _)] = server.named("create")
    assert spec == {"overcommit": True, "spark": {"conf": {"spark.x.y": 5}}, "executors": {"memory": "1g"}}


def test_flags_go_over_the_file_and_the_file_is_the_whole_spec(fireside: Run, server: Any, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("name: etl\nworkers: {count: 2, memory: 2g}\nworkspace: data\n")
    fireside("up", "-f", str(file), "--workers", "5")
    [(spec, change, _)] = server.named("create")
    assert spec == {"name": "etl", "workers": {"count": 5, "memory": "2g"}, "workspace": str(tmp_path / "data")}
    assert change == "replace"


def test_paths_in_flags_mean_the_callers_folder(
    fireside: Run, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fireside("up", "--set", "workspace=data")
    [(spec, _, _)] = server.named("create")
    assert spec == {"workspace": str(tmp_path / "data")}


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (("--memory", "lots"), "lots"),
        (("--memory", "0"), "0"),
        (("--memory", "-1"), "-1"),
        (("--workers", "0"), "0"),
        (("--workers", "10000"), "10000"),
        (("--topology", "mesh"), "mesh"),
        (("--set", "wrokers=2"), "wrokers"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_before_any_server_is_asked(
    fireside: Run, server: Any, flags: tuple[str, ...], found: str
) -> None:
    result = fireside("up", *flags)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert found in result.stderr
    assert server.calls == []


def test_a_misspelt_field_is_refused_without_a_value_too(fireside: Run, server: Any) -> None:
    result = fireside("up", "--set", "wrokers=")
    assert result.exit_code == 2
    assert "the nearest is workers" in result.stderr


def test_a_dry_run_tells_what_the_owner_should_know(fireside: Run, server: Any) -> None:
    """CON-04."""
    server.warnings = [Problem(code="warning", message="idleTimeout has no unit", hint="write 600s")]
    assert "warning: idleTimeout has no unit (write 600s)" in fireside("up", "--dry-run").stderr


def test_a_wrong_field_of_a_file_is_named_with_its_line(fireside: Run, server: Any, tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("name: etl\nworkers:\n  cuont: 2\n")
    result = fireside("up", "-f", str(file))
    assert result.exit_code == 2
    assert f"{file}:3: " in result.stderr
    assert "count" in result.stderr


def test_a_dry_run_prints_the_plan_and_makes_nothing(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    server.change = CHANGE
    result = fireside("up", "-w", "4", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "this changes 'default':\n"
        "  workers.count: 2 → 4\n"
        "  connect.memory: unset → 2g\n"
        "  while it is used: workers: 2 → 4\n"
        "  restarts: connect: its memory changes\n"
    )
    assert server.named("create") == []


def test_a_change_without_a_terminal_needs_yes(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    server.change = CHANGE
    result = fireside("up", "-w", "4")
    assert result.exit_code == 4
    assert "workers.count: 2 → 4" in result.stderr
    assert "--yes" in result.stderr
    assert server.named("create") == []


def test_an_agreed_change_is_bound_to_the_generation_that_was_shown(
    fireside: Run, server: Any, new_cluster: View
) -> None:
    server.add(new_cluster(generation=7, observed_generation=7))
    server.change = CHANGE
    result = fireside("up", "-w", "4", "--yes")
    assert result.exit_code == 0
    [(_, _, generation)] = server.named("create")
    assert generation == 7


@pytest.mark.parametrize(("answer", "status", "made"), [("y\n", 0, 1), ("n\n", 4, 0)])
def test_at_a_terminal_a_change_is_asked_about(
    fireside: Run, server: Any, new_cluster: View, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, made: int
) -> None:
    monkeypatch.setattr(output, "at_terminal", lambda: True)
    server.add(new_cluster())
    server.change = CHANGE
    result = fireside("up", "-w", "4", stdin=answer)
    assert result.exit_code == status
    assert len(server.named("create")) == made


def test_ctrl_c_says_in_which_state_the_cluster_is_left(fireside: Run, server: Any) -> None:
    server.interrupt = True
    result = fireside("up", "etl")
    assert result.exit_code == 130
    assert result.stderr.endswith(
        "interrupted: 'etl' goes on by itself\n  see it:   fireside status etl\n  stop it:  fireside down etl\n"
    )


def test_a_cluster_that_fails_is_an_error_with_its_reason(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster(phase="failed", message="port 7077 taken by pid 812"))
    result = fireside("up")
    assert result.exit_code == 10
    assert "error: cluster default failed: port 7077 taken by pid 812" in result.stderr


def test_a_server_that_ends_meanwhile_is_waited_for(
    fireside: Run, server: Any, new_cluster: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(new_cluster())
    create = server.create

    def then_end(*arguments: Any, **more: Any) -> ClusterView:
        view: ClusterView = create(*arguments, **more)
        server.ends = 2
        return view

    monkeypatch.setattr(server, "create", then_end)
    result = fireside("up")
    assert result.exit_code == 0
    assert "created" in result.stderr


def test_a_time_limit_ends_the_waiting_and_not_the_cluster(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster(phase="starting", message="waits for worker-2"))
    server.not_yet = 1000
    result = fireside("up", "--timeout", "1ms")
    assert result.exit_code == 7
    assert "waits for worker-2" in result.stderr
    assert server.named("stop") == []


def test_up_prints_only_json_when_asked_to(fireside: Run, server: Any) -> None:
    server.notes = ["two workers fit"]
    result = fireside("up", "--json")
    assert json.loads(result.stdout)["phase"] == "ready"
    assert result.stderr == ""


def test_notes_are_told_beside_the_result(fireside: Run, server: Any) -> None:
    server.notes = ["two workers fit"]
    result = fireside("up")
    assert "note: two workers fit\n" in result.stderr
    assert "two workers fit" not in result.stdout


def test_without_waiting_up_says_where_to_look(fireside: Run, server: Any) -> None:
    assert fireside("up", "etl", "--no-wait").stdout == "'etl' is ready. See: fireside status etl\n"


@pytest.mark.parametrize("flags", [("--timeout", "soon"), ("--set", "novalue"), ("--workers", "lots"), ("--nope",)])
def test_wrong_flags_are_an_error_with_status_2(fireside: Run, server: Any, flags: tuple[str, ...]) -> None:
    result = fireside("up", *flags)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("hint: see fireside up --help\n") or "hint" in result.stderr
