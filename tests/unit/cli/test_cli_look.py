"""`ps`, `status`, `logs` and `events`: golden output without a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fireside.wire import ClusterView, LogView

Run = Callable[..., Any]
View = Callable[..., ClusterView]


def test_ps_lists_clusters_as_a_table(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(
        new_cluster("default"), new_cluster("etl", phase="starting", workers_ready=1, message="waits for worker-2")
    )
    assert fireside("ps").stdout == (
        "NAME     PHASE     WORKERS  SPARK  TOPOLOGY    BACKEND  AGE  MESSAGE\n"
        "default  ready     2/2      4.3.0  standalone  local    5m\n"
        "etl      starting  1/2      4.3.0  standalone  local    5m   waits for worker-2\n"
    )


def test_ps_leaves_an_empty_message_column_out(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    assert "MESSAGE" not in fireside("ps").stdout


def test_ps_without_clusters_says_how_to_start_one(fireside: Run, server: Any) -> None:
    assert fireside("ps").stdout == "No clusters. Start one: fireside up\n"


def test_ps_after_the_store_was_lost_tells_what_still_runs(fireside: Run, server: Any, new_cluster: View) -> None:
    server.orphans = ["c-9"]
    result = fireside("ps")
    assert result.stdout == "No clusters. Start one: fireside up\n"
    assert "in no record: c-9" in result.stderr
    assert "fireside purge --orphans" in result.stderr
    server.add(new_cluster("old", phase="stopped"))
    assert "in no record: c-9" in fireside("ps").stderr


def test_ps_counts_the_stopped_clusters_that_it_hides(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster("old", phase="stopped"))
    assert fireside("ps").stdout == "Nothing runs; 1 stopped cluster: fireside ps --all\n"
    assert "old" in fireside("ps", "--all").stdout


def test_ps_prints_json(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    assert json.loads(fireside("ps", "--json").stdout)["clusters"][0]["name"] == "default"


def test_status_shows_phase_nodes_and_pages(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    assert fireside("status").stdout == (
        "cluster:  default (c-1)\n"
        "phase:    ready for 5m\n"
        "spark:    4.3.0, standalone on local\n"
        "workers:  2/2\n"
        "\n"
        "NODE      PHASE  CORES  MEMORY  RESTARTS  ADDRESSES\n"
        "master    ready      1    512m         0  rpc=127.0.0.1:7077\n"
        "worker-1  ready      1      1g         0\n"
        "worker-2  ready      1      1g         0\n"
        "connect   ready      1      1g         0  connect=127.0.0.1:15002\n"
        "\n"
        "master: http://127.0.0.1:8080\n"
    )


def test_status_of_a_failed_cluster_says_why_and_what_to_do(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster(phase="failed", message="port 7077 taken by pid 812", hint="fireside restart default"))
    shown = fireside("status").stdout
    assert "message:  port 7077 taken by pid 812\n" in shown
    assert "to do:    fireside restart default\n" in shown


def test_a_missing_name_means_the_only_cluster(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster("etl"))
    assert "etl" in fireside("status").stdout


def test_a_missing_name_means_default_among_several(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster("etl", id="c-2"), new_cluster("default"))
    assert "cluster:  default" in fireside("status").stdout


def test_a_missing_name_is_refused_when_it_is_not_clear(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster("a"), new_cluster("b", id="c-2"))
    result = fireside("status")
    assert result.exit_code == 3
    assert "allowed: a, b\n" in result.stderr


def test_an_unknown_cluster_is_one_error_block(fireside: Run, server: Any) -> None:
    result = fireside("status", "nope")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "error: there is no cluster 'nope'\nfound: nope\nhint: fireside ps lists them\n"


def test_an_error_is_json_when_json_was_asked_for(fireside: Run, server: Any) -> None:
    result = fireside("status", "nope", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert json.loads(result.stderr)["code"] == "not_found"


def test_logs_name_the_node_and_the_executor(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    server.lines = [
        LogView(node="master", source="daemon", text="I am alive"),
        LogView(node="worker-1", source="app-1/0 stderr", text="task 1"),
    ]
    assert fireside("logs").stdout == "master | I am alive\nworker-1 app-1/0 stderr | task 1\n"


def test_logs_pass_node_follow_and_tail_on(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    fireside("logs", "default", "worker-1", "-f", "--tail", "5")
    assert server.named("logs") == [("default", "worker-1", True, 5)]


def test_events_are_objects_by_line_in_json(fireside: Run, server: Any, new_cluster: View) -> None:
    server.add(new_cluster())
    server.tell("default", "one", "two")
    lines = fireside("events", "--json").stdout.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["one", "two"]
