"""Defaults fitted to a machine (W-01, W-13, STD-14, VER-01, VER-04)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fireside.errors import DoesNotFit, Unsupported
from fireside.model import planning, sizing
from fireside.model.defaults import Earlier, Fitted, fit
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec, validate
from fireside.model.state import Role

_LAPTOP = Room(8, 16 * 1024, spark="4.3.0", python="3.11", javas=("17.0.9",))
_ROOMS = st.builds(
    Room,
    cores=st.integers(1, 64),
    memory=st.integers(500, 256 * 1024),
    spark=st.sampled_from([None, "4.3.0", "4.0.1", "3.5.9"]),
)
_SIZE = st.sampled_from(["600m", "1.5g", "2g", "3g", "8g"])
_FEW = st.integers(1, 6)
_NODE = {"cores": _FEW, "memory": _SIZE}
_CONF = st.sampled_from(
    [
        {},
        {"spark.executor.pyspark.memory": "600m"},
        {"spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": "512m"},
    ]
)
_ASKED = st.fixed_dictionaries(
    {},
    optional={
        "workers": _FEW | st.fixed_dictionaries({}, optional={"count": _FEW, "spark_memory": _SIZE, **_NODE}),
        "executors": st.fixed_dictionaries({}, optional=_NODE),
        "master": st.fixed_dictionaries({}, optional=_NODE),
        "connect": st.booleans() | st.fixed_dictionaries({}, optional=_NODE),
        "spark": st.fixed_dictionaries({"conf": _CONF}),
        "overcommit": st.booleans(),
    },
) | st.fixed_dictionaries({"topology": st.just("single")}, optional={"connect": st.fixed_dictionaries(_NODE)})


def _fitted(asked: dict[str, Any], room: Room) -> Fitted:
    fitted = _fitted_or_refusal(asked, room)
    assume(isinstance(fitted, Fitted))
    assert isinstance(fitted, Fitted)
    return fitted


def _fitted_or_refusal(asked: dict[str, Any], room: Room) -> Fitted | DoesNotFit | Unsupported:
    try:
        return fit(validate(asked), room)
    except (DoesNotFit, Unsupported) as error:
        return error


@given(_ASKED, _ROOMS)
def test_fitting_what_is_fitted_changes_nothing(asked: dict[str, Any], room: Room) -> None:
    once = _fitted(asked, room).spec
    assert fit(once, room).spec == once
    assert fit(ClusterSpec.model_validate_json(once.model_dump_json()), room).spec == once


@given(_ASKED, _ROOMS)
def test_what_was_asked_is_kept(asked: dict[str, Any], room: Room) -> None:
    """W-13: nothing is silently ignored."""
    spec = validate(asked)
    fitted = _fitted(asked, room).spec
    for part in ("master", "workers", "executors", "connect"):
        for field in getattr(spec, part).model_fields_set:
            assert getattr(getattr(fitted, part), field) == getattr(getattr(spec, part), field)


@given(_ASKED, _ROOMS)
def test_what_is_accepted_can_be_planned_and_fits(asked: dict[str, Any], room: Room) -> None:
    spec = _fitted(asked, room).spec
    plan = planning.build(spec)
    assert all(sum(part.mib for part in group.budget.parts) == group.budget.limit for group in plan.groups)
    if not spec.overcommit:
        assert sizing.total(plan) <= room.memory
        assert all(group.cores <= room.cores for group in plan.groups)


@given(_ASKED, _ROOMS)
def test_a_refusal_says_what_to_do(asked: dict[str, Any], room: Room) -> None:
    error = _fitted_or_refusal(asked, room)
    if not isinstance(error, Fitted):
        assert error.field
        assert error.hint


@given(st.integers(1, 64), st.integers(2560, 512 * 1024))
def test_an_empty_spec_fits_every_machine_from_two_and_a_half_gibibytes(cores: int, memory: int) -> None:
    """W-01."""
    room = Room(cores, memory, spark="4.3.0")
    plan = planning.build(fit(ClusterSpec(), room).spec)
    assert sizing.total(plan) <= max(memory // 2, 2560)
    workers = plan.group(Role.WORKER)
    assert workers is not None
    assert 1 <= workers.count <= 2
    assert 1024 < workers.budget.limit <= 4096


def test_below_that_the_single_topology_is_named_and_fits() -> None:
    small = Room(2, 2559, spark="4.3.0")
    with pytest.raises(DoesNotFit) as raised:
        fit(ClusterSpec(), small)
    assert raised.value.hint is not None
    assert "topology: single" in raised.value.hint
    assert fit(validate({"topology": "single"}), small).spec.connect.memory == 1024


def test_a_laptop_gets_two_workers_from_half_of_its_memory_and_is_told_why() -> None:
    fitted = fit(ClusterSpec(), _LAPTOP)
    workers = fitted.spec.workers
    assert (workers.count, workers.cores, workers.memory) == (2, 4, 2816)
    assert fitted.notes == (
        "Spark 4.3.0: that of the pyspark found here",
        "2 workers with 4 cores and 2816m each, of which executors may take 1648m: the machine has 8 cores and 16g",
    )


def test_a_small_machine_gets_fewer_cores_rather_than_a_refusal() -> None:
    """Each core brings a Python worker; cores that nobody asked for must not be what does not fit."""
    fitted = fit(validate({"workers": {"memory": "1400m"}}), Room(16, 8192, spark="4.3.0"))
    assert fitted.spec.workers.cores == 1


def test_cores_that_workers_share_are_a_note() -> None:
    fitted = fit(validate({"workers": {"count": 4, "cores": 2, "memory": "1.5g"}}), Room(4, 64 * 1024, spark="4.3.0"))
    assert "the workers have 8 cores together, the machine has 4: they share them" in fitted.notes


def test_overcommit_is_allowed_when_asked_for_and_said() -> None:
    asked = {"workers": {"count": 8, "memory": "4g"}}
    with pytest.raises(DoesNotFit):
        fit(validate(asked), _LAPTOP)
    fitted = fit(validate({**asked, "overcommit": True}), _LAPTOP)
    assert any("overcommitted" in note for note in fitted.notes)


def test_the_executor_fills_its_worker() -> None:
    fitted = fit(validate({"workers": {"count": 1, "cores": 2, "memory": "4g"}}), _LAPTOP).spec
    assert (fitted.executors.cores, fitted.executors.memory) == (2, 3156)


# -------------------------------------------------------------------------------------------------- versions


def test_the_version_is_that_of_the_pyspark_that_is_there_else_the_newest() -> None:
    assert fit(ClusterSpec(), Room(4, 16 * 1024, spark="4.0.1")).spec.spark.version == "4.0.1"
    assert fit(ClusterSpec(), Room(4, 16 * 1024, spark="4.3.9")).spec.spark.version == "4.3.9"
    assert fit(ClusterSpec(), Room(4, 16 * 1024)).spec.spark.version == "4.3.0"


def test_another_version_than_the_one_that_is_there_is_refused_with_two_ways() -> None:
    with pytest.raises(Unsupported, match=r"4\.0\.1.*4\.3\.0") as raised:
        fit(validate({"spark": {"version": "4.0.1"}}), _LAPTOP)
    assert raised.value.hint is not None
    assert "pip install 'pyspark[connect]==4.0.1'" in raised.value.hint
    assert "spark.python" in raised.value.hint


@pytest.mark.parametrize("room", [Room(4, 8192, spark="4.3.0", python="3.10"), Room(4, 8192, javas=("11.0.2", "8"))])
def test_a_python_or_java_that_does_not_fit_is_refused(room: Room) -> None:
    """VER-01, VER-04."""
    with pytest.raises(Unsupported, match=r"nearest"):
        fit(ClusterSpec(), room)


def test_one_java_that_fits_is_enough() -> None:
    fit(ClusterSpec(), Room(4, 8192, spark="4.3.0", javas=("11.0.2", "21.0.1")))


def test_spark_3_runs_without_connect_and_says_so() -> None:
    fitted = fit(ClusterSpec(), Room(4, 8192, spark="3.5.9"))
    assert fitted.spec.connect.enabled is False
    assert any("no Connect server" in note for note in fitted.notes)
    assert planning.build(fitted.spec).group(Role.CONNECT) is None


@pytest.mark.parametrize("asked", [{"connect": True}, {"connect": {"memory": "2g"}}, {"topology": "single"}])
def test_what_spark_3_cannot_serve_is_refused_with_the_nearest(asked: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=r"4\.0\.5"):
        fit(validate(asked), Room(4, 8192, spark="3.5.9"))


# ----------------------------------------------------------------------------------------------- what was chosen


def test_another_number_of_workers_leaves_their_size_as_it_was_chosen() -> None:
    """Else going from two workers to four would restart the two."""
    before = fit(ClusterSpec(), _LAPTOP).spec
    asked = validate({"workers": 4})
    assert fit(asked, Room(8, 64 * 1024, spark="4.3.0")).spec.workers.memory != before.workers.memory
    room = Room(8, 20 * 1024, spark="4.3.0")
    after = fit(asked, room, Earlier(ClusterSpec(), before)).spec
    assert after.workers == before.workers.model_copy(update={"count": 4})
    assert after.executors == before.executors
    assert after.connect == before.connect


def test_another_wish_about_the_workers_sizes_them_anew() -> None:
    before = fit(ClusterSpec(), _LAPTOP).spec
    for wish in ({"workers": {"cores": 1}}, {"executors": {"memory": "1g"}}, {"workers": {"memory": "4g"}}):
        asked = validate(wish)
        assert fit(asked, _LAPTOP, Earlier(ClusterSpec(), before)).spec == fit(asked, _LAPTOP).spec


def test_a_wish_that_is_taken_back_is_not_kept() -> None:
    asked = validate({"workers": {"memory": "4g"}})
    before = fit(asked, _LAPTOP).spec
    assert fit(ClusterSpec(), _LAPTOP, Earlier(asked, before)).spec == fit(ClusterSpec(), _LAPTOP).spec


@given(_ASKED, _ROOMS)
def test_the_same_wish_again_is_the_same_spec(asked: dict[str, Any], room: Room) -> None:
    before = _fitted(asked, room).spec
    assert fit(validate(asked), room, Earlier(validate(asked), before)).spec == before
