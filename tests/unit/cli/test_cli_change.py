"""`scale`, `restart`, `down`, `purge`: what they ask of the server, and what they ask of the owner."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fireside.cli import output
from fireside.wire import ClusterView

Run = Callable[..., Any]
View = Callable[..., ClusterView]


def test_scale_waits_and_says_how_many_there_are(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    result = fireside("scale", "default", "4")
    assert result.stdout == "'default' is ready with 4 of 4 workers\n"
    assert server.named("scale") == [("default", 4)]


def test_restart_passes_roles_on(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    assert fireside("restart", "default", "worker", "connect").exit_code == 0
    assert server.named("restart") == [("default", ["worker", "connect"])]


def test_down_stops_and_keeps_the_data(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster("etl"))
    result = fireside("down")
    assert result.stdout == "'etl' is stopped; its data stay. Start it again: fireside up etl\n"
    assert server.named("delete") == []


def test_down_of_a_stopped_cluster_is_fine(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster(phase="stopped"))
    result = fireside("down")
    assert (result.exit_code, result.stdout) == (0, "'default' is stopped already\n")
    assert server.named("stop") == []


def test_down_of_an_absent_cluster_is_not_found(fireside: Run, server: Any) -> None:
    assert fireside("down", "nope").exit_code == 3


def test_down_without_any_cluster_says_so(fireside: Run, server: Any) -> None:
    result = fireside("down")
    assert result.exit_code == 3
    assert result.stderr == "error: there are no clusters\nhint: start one: fireside up\n"
    assert fireside("down", "--all").exit_code == 0


def test_down_all_stops_each(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster("a"), new_cluster("b", id="c-2"))
    assert fireside("down", "--all").exit_code == 0
    assert server.named("stop") == ["a", "b"]


def test_a_purge_says_what_goes_and_needs_yes_without_a_terminal(fireside: Run, server: Any, new_cluster: View) -> None:
    # STO-03
    server.add(new_cluster())
    result = fireside("down", "--purge")
    assert result.exit_code == 4
    assert result.stderr == (
        "error: this deletes 'default' and its data, 3.0 MiB:\n"
        "     3.0 MiB  /home/me/warehouse\n"
        "        10 B  /home/me/logs\n"
        "hint: repeat it with --yes to delete this\n"
    )
    assert server.named("delete") == []


def test_a_purge_with_yes_deletes_and_says_what(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    result = fireside("down", "--purge", "--yes")
    assert result.stdout == "'default' is deleted\n"
    assert "/home/me/warehouse" in result.stderr
    assert server.named("delete") == [("default", True)]


@pytest.mark.parametrize(("answer", "status", "left"), [("y\n", 0, 0), ("\n", 4, 1)])
def test_at_a_terminal_a_purge_is_asked_about_and_no_is_the_default(
    fireside: Run, server: Any, new_cluster: View, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, left: int
) -> None:
    monkeypatch.setattr(output, "at_terminal", lambda: True)
    server.add(new_cluster(phase="stopped"))
    assert fireside("purge", "default", stdin=answer).exit_code == status
    assert len(server.clusters) == left


def test_purge_refuses_a_cluster_that_runs(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    result = fireside("purge", "default", "--yes")
    assert result.exit_code == 4
    assert "hint: fireside down default --purge" in result.stderr


def test_purge_all_takes_only_stopped_clusters(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster("runs"), new_cluster("old", id="c-2", phase="stopped"))
    result = fireside("purge", "--all", "--yes", "--json")
    assert json.loads(result.stdout)["clusters"] == ["old"]
    assert list(server.clusters) == ["runs"]


def test_purge_needs_to_be_told_what(fireside: Run, server: Any) -> None:
    assert fireside("purge").exit_code == 2
    assert fireside("purge", "a", "--all").exit_code == 2


def test_orphans_are_named_before_they_are_ended(fireside: Run, server: Any) -> None:
    server.orphans = ["c-9"]
    result = fireside("purge", "--orphans")
    assert result.exit_code == 4
    assert "c-9" in result.stderr
    assert fireside("purge", "--orphans", "--yes").stdout == "c-9 is ended\n"
    assert fireside("purge", "--orphans").stdout == "There are no orphans.\n"
