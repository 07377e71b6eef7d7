"""Which node listens where."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fireside.backends.local import ports
from fireside.backends.local.layout import Layout
from fireside.backends.local.ports import PortTables
from fireside.errors import Refused
from fireside.model.plan import Port


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def claim(layout: Layout, cluster_id: str, wanted: Mapping[str, Sequence[Port]]) -> dict[str, int]:
    layout.cluster(cluster_id).nodes.mkdir(parents=True, exist_ok=True)
    table, _ = PortTables(layout).allocate(cluster_id, wanted, wanted)
    return {node: numbers["ui"] for node, numbers in table.items()}


@pytest.fixture
def usual() -> int:
    """A number that is free, and so are those after it, most likely."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_usual_number_when_it_is_free_else_the_next_one(layout: Layout, usual: int) -> None:
    # STD-05: worker UI 8081, the second one's 8082
    port = (Port(name="ui", preferred=usual),)
    numbers = claim(layout, "c1", {"worker-1": port, "worker-2": port})
    assert numbers["worker-1"] == usual
    assert usual < numbers["worker-2"] < usual + 50


def test_numbers_are_kept_and_those_of_nodes_that_are_not_wanted_any_more_are_given_back(
    layout: Layout, usual: int
) -> None:
    port = (Port(name="ui", preferred=usual),)
    first = claim(layout, "c1", {"worker-1": port, "worker-2": port})
    assert claim(layout, "c1", {"worker-1": port, "worker-2": port}) == first
    assert claim(layout, "c1", {"worker-2": port}) == {"worker-2": first["worker-2"]}
    assert claim(layout, "c1", {"worker-2": port, "worker-3": port})["worker-3"] == usual


def test_running_clusters_keep_their_numbers_from_others_and_ended_ones_do_not(layout: Layout, usual: int) -> None:
    port = {"master": (Port(name="ui", preferred=usual),)}
    assert claim(layout, "c1", port)["master"] == usual
    assert claim(layout, "c2", port)["master"] != usual
    layout.cluster("c1").nodes.rmdir()
    assert claim(layout, "c3", port)["master"] == usual


def test_any_number_means_one_that_outgoing_connections_do_not_take(layout: Layout) -> None:
    numbers = claim(layout, "c1", {f"worker-{n}": (Port(name="ui", preferred=0),) for n in range(20)})
    assert len(set(numbers.values())) == 20
    assert all(20_000 <= number < 32_768 for number in numbers.values())


def test_a_stolen_number_is_replaced_only_for_a_node_that_has_to_start(layout: Layout) -> None:
    wanted = {"master": (Port(name="ui", preferred=0),)}
    number = claim(layout, "c1", wanted)["master"]
    with socket.create_server(("0.0.0.0", number)):
        table, replaced = PortTables(layout).allocate("c1", wanted, ())
        assert (table["master"]["ui"], replaced) == (number, [])
        table, (note,) = PortTables(layout).allocate("c1", wanted, ("master",))
    new = table["master"]["ui"]
    assert new != number
    assert str(note).startswith(f"port {number} taken by pid {os.getpid()} (")
    assert str(note).endswith(f"master listens on {new} now")
    assert PortTables(layout).read("c1") == table


def test_who_lost_a_number_goes_far_away(layout: Layout) -> None:
    # Two installations that come up at once would else meet again at the next number, and the next.
    with socket.create_server(("127.0.0.1", 0)) as thief:
        number = int(thief.getsockname()[1])
        wanted = {"master": (Port(name="ui", preferred=number),)}
        layout.cluster("c1").nodes.mkdir(parents=True)
        layout.cluster("c1").ports.write_text(json.dumps({"master": {"ui": number}}))
        table, _ = PortTables(layout).allocate("c1", wanted, wanted)
    assert abs(table["master"]["ui"] - number) > ports._NEAR


def test_a_connection_that_lingers_does_not_make_a_port_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", number))
        accepted, _ = server.accept()
    accepted.close()  # the side that closes first is the one that lingers
    client.close()
    assert ports.is_free(number)


def test_a_table_that_is_no_table_is_made_anew(layout: Layout) -> None:
    layout.cluster("c1").root.mkdir(parents=True)
    layout.cluster("c1").ports.write_text("{")
    assert PortTables(layout).read("c1") == {}


def test_when_no_number_is_left_that_is_said(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda number: False)
    with pytest.raises(Refused, match="no free port"):
        claim(layout, "c1", {"master": (Port(name="ui", preferred=0),)})
