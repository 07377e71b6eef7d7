"""Whether nodes fit together into a machine, and what is said when they do not (STD-15)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import DoesNotFit
from fireside.model import quantity
from fireside.model.fitting import Nodes, check_room
from fireside.model.sizing import LEAST_WORKER, Room
from fireside.model.state import Role

_MASTER = Nodes(Role.MASTER, 1, 1, 384)
_CONNECT = Nodes(Role.CONNECT, 1, 1, 1024)


def _workers(count: int, memory: int, cores: int = 1) -> tuple[Nodes, ...]:
    return (_MASTER, _CONNECT, Nodes(Role.WORKER, count, cores, memory))


def test_what_fits_is_let_through_and_one_mib_more_is_not() -> None:
    check_room(_workers(2, 2048), Room(4, 384 + 1024 + 4096))
    with pytest.raises(DoesNotFit, match=re.escape("1 master x 384m + 1 connect x 1024m + 2 worker x 2048m = 5504m")):
        check_room(_workers(2, 2048), Room(4, 384 + 1024 + 4095))


def test_fewer_or_smaller_workers_are_offered() -> None:
    with pytest.raises(DoesNotFit) as raised:
        check_room(_workers(4, 4096), Room(4, 10 * 1024))
    assert raised.value.field == "workers.count"
    assert raised.value.hint == "set workers.count to 2 or workers.memory to 2208m, or overcommit: true"


def test_where_no_worker_fits_the_single_topology_is_named() -> None:
    with pytest.raises(DoesNotFit) as raised:
        check_room(_workers(1, 2048), Room(4, 2000))
    assert raised.value.hint is not None
    assert "topology: single" in raised.value.hint


def test_a_single_server_is_told_how_small_it_must_be() -> None:
    with pytest.raises(DoesNotFit) as raised:
        check_room((Nodes(Role.CONNECT, 1, 1, 8192),), Room(4, 4096))
    assert raised.value.field == "connect.memory"
    assert raised.value.hint == "set connect.memory to 4g or less, or overcommit: true"


def test_one_node_with_more_cores_than_the_machine_is_refused_but_not_many_together() -> None:
    check_room(_workers(8, 1296, cores=4), Room(4, 64 * 1024))
    with pytest.raises(DoesNotFit) as raised:
        check_room(_workers(1, 1296, cores=5), Room(4, 64 * 1024))
    assert (raised.value.field, raised.value.allowed) == ("workers.cores", "1 to 4")


@given(st.integers(1, 40), st.integers(LEAST_WORKER, 16 * 1024), st.integers(256, 64 * 1024))
def test_every_number_that_is_offered_fits(count: int, memory: int, room: int) -> None:
    machine = Room(4, room)
    try:
        check_room(_workers(count, memory), machine)
    except DoesNotFit as error:
        hint = error.hint or ""
        for offered in re.findall(r"workers\.count to (\d+) (?!and)", hint + " "):
            check_room(_workers(int(offered), memory), machine)
        for offered in re.findall(r"(?<!and )workers\.memory to (\w+)", hint):
            check_room(_workers(count, quantity.memory(offered)), machine)
        for one, size in re.findall(r"workers\.count to (\d+) and workers\.memory to (\w+)", hint):
            check_room(_workers(int(one), quantity.memory(size)), machine)
        assert "overcommit: true" in hint
