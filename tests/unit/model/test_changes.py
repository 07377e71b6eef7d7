"""What a change would do, in sentences."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fireside.model import planning
from fireside.model.changes import Changes, compare, fields
from fireside.model.defaults import fit
from fireside.model.plan import Plan
from fireside.model.sizing import Room
from fireside.model.spec import merge, validate
from fireside.model.state import Role

_ROOM = Room(8, 64 * 1024, spark="4.3.0")
_BASE: dict[str, Any] = {"workers": {"count": 2, "cores": 1, "memory": "2g"}, "connect": {"memory": "1g"}}


def _plan(over: dict[str, Any]) -> Plan:
    return planning.build(fit(validate(merge(_BASE, over)), _ROOM).spec)


def _change(before: dict[str, Any], after: dict[str, Any]) -> Changes:
    return compare(_plan(before), _plan(after))


def test_nothing_changes_nothing() -> None:
    changes = _change({}, {})
    assert changes == Changes((), ())
    assert not changes


def test_a_number_of_workers_changes_while_the_cluster_is_used() -> None:
    assert _change({}, {"workers": 4}) == Changes(("workers 2 → 4",), ())


def test_configuration_of_the_driver_restarts_the_driver_and_says_what_is_lost() -> None:
    key = "spark.sql.shuffle.partitions"
    changes = _change({"connect": {"conf": {key: 200}}}, {"connect": {"conf": {key: 8}}})
    assert changes == Changes((), (f"connect restarts: {key} 200 → 8; its sessions end",))
    assert _change({}, {"connect": {"conf": {key: 8}}}).restarts == (
        f"connect restarts: {key} unset → 8; its sessions end",
    )


def test_memory_is_shown_with_its_unit_and_what_follows_from_it_is_left_out() -> None:
    changes = _change({"executors": {"memory": "600m"}}, {"workers": {"memory": "3g"}, "executors": {"memory": "600m"}})
    assert changes == Changes((), ("workers restart: memory 2g → 3g; their executors end",))
    changes = _change({}, {"connect": {"memory": "2g"}})
    assert changes == Changes((), ("connect restarts: memory 1g → 2g; its sessions end",))


def test_a_connect_server_comes_without_a_restart_and_goes_with_its_sessions() -> None:
    without = {"connect": {"enabled": False, "memory": None}}
    assert _change(without, {}) == Changes(("connect starts",), ())
    assert _change({}, without) == Changes((), ("connect ends; its sessions end",))


def test_what_all_nodes_share_restarts_all() -> None:
    changes = _change({}, {"spark": {"packages": ["a:b:1"]}})
    assert changes.live == ()
    assert [sentence.split(":")[0] for sentence in changes.restarts] == [
        "master restarts",
        "workers restart",
        "connect restarts",
    ]
    assert all("packages unset → a:b:1" in sentence for sentence in changes.restarts)


def test_a_restart_that_was_asked_for_is_called_so() -> None:
    plan = _plan({})
    groups = tuple(
        group.model_copy(update={"revision": 1}) if group.role is Role.MASTER else group for group in plan.groups
    )
    changes = compare(plan, plan.model_copy(update={"groups": groups}))
    assert changes == Changes((), ("master restarts: asked for",))


def test_drivers_of_the_owners_own_are_told_about_other_executors() -> None:
    off: dict[str, Any] = {"connect": {"enabled": False, "memory": None}}
    changes = _change(off, {**off, "spark": {"conf": {"spark.sql.ansi.enabled": True}}})
    assert any("drivers of your own" in sentence and "ansi" in sentence for sentence in changes.live)


def test_another_topology_ends_one_set_of_nodes_and_starts_another() -> None:
    old = _plan({})
    new = planning.build(fit(validate({"topology": "single"}), _ROOM).spec)
    changes = compare(old, new)
    assert "master ends" in changes.restarts
    assert "the workers end; their executors end" in changes.restarts
    assert {"master starts", "2 workers start"} <= set(compare(new, old).live)


_OVER = st.fixed_dictionaries(
    {},
    optional={
        "workers": st.integers(1, 4),
        "connect": st.fixed_dictionaries({"memory": st.sampled_from(["1g", "2g"])}),
        "executors": st.fixed_dictionaries({"memory": st.sampled_from(["600m", "700m"])}),
        "spark": st.fixed_dictionaries({"conf": st.sampled_from([{}, {"spark.a": "1"}, {"spark.a": "2"}])}),
    },
)


@given(_OVER, _OVER)
def test_a_sentence_for_every_node_that_is_replaced_and_none_for_others(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    old, new = _plan(before), _plan(after)
    changes = compare(old, new)
    replaced = [role for role in Role if old.digest(role) != new.digest(role)]
    assert len(changes.restarts) == len(replaced)
    assert all("→" in sentence for sentence in changes.restarts)
    assert bool(changes) == (old != new)


@given(_OVER, _OVER)
def test_fields_are_those_that_differ_with_both_values(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = validate(merge(_BASE, before)), validate(merge(_BASE, after))
    found = fields(old, new)
    assert (not found) == (old == new)
    assert fields(new, old) == {path: (two, one) for path, (one, two) in found.items()}


def test_fields_are_written_as_in_a_file() -> None:
    old, new = validate({}), validate({"workers": {"count": 2, "memory": "2g"}, "spark": {"conf": {"spark.a": 1}}})
    assert fields(old, new) == {
        "workers.count": (None, 2),
        "workers.memory": (None, "2g"),
        "spark.conf.spark.a": (None, "1"),
    }
