"""Sums that add up, and sizes that are refused with the numbers that would fit (STD-14 to STD-16, W-02, W-31)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fireside.errors import DoesNotFit, InvalidSpec
from fireside.model import planning, quantity, sizing
from fireside.model.defaults import fit
from fireside.model.plan import Budget
from fireside.model.sizing import Beside, Room, WorkerAsked, WorkerSize
from fireside.model.spec import validate

_MIB = st.integers(1, 64 * 1024)
_BESIDE = st.builds(Beside, off_heap=st.sampled_from([0, 0, 100, 2048]), python=st.sampled_from([None, None, 64, 700]))
_WORKERS = st.builds(
    WorkerAsked,
    cores=st.integers(1, 64),
    memory=_MIB,
    offer=st.none() | _MIB,
    executor_cores=st.none() | st.integers(1, 16),
    executor_heap=st.none() | st.integers(1, 16 * 1024),
    beside=_BESIDE,
)
_LIKELY = st.builds(
    WorkerAsked,
    cores=st.integers(2, 16),
    memory=st.integers(2048, 64 * 1024),
    offer=st.none() | st.integers(600, 2048),
    executor_cores=st.none() | st.integers(1, 2),
    executor_heap=st.none() | st.integers(512, 1024),
    beside=_BESIDE,
)
_MANY = settings(max_examples=150)


def _adds_up(budget: Budget) -> bool:
    return sum(part.mib for part in budget.parts) == budget.limit and all(part.mib > 0 for part in budget.parts)


def _sized(asked: WorkerAsked) -> WorkerSize:
    size = _size_or_refusal(asked)
    assume(isinstance(size, WorkerSize))
    assert isinstance(size, WorkerSize)
    return size


def _size_or_refusal(asked: WorkerAsked) -> WorkerSize | DoesNotFit:
    try:
        return sizing.worker(asked)
    except DoesNotFit as error:
        return error


@_MANY
@given(_WORKERS | _LIKELY | _LIKELY)
def test_a_workers_sum_adds_up_to_its_limit_exactly(asked: WorkerAsked) -> None:
    """W-02: in MiB, never rounded to whole GiB."""
    size = _sized(asked)
    assert size.budget.limit == asked.memory
    assert _adds_up(size.budget)
    assert size.budget.of("executors") == size.offer.memory


@_MANY
@given(_WORKERS | _LIKELY | _LIKELY)
def test_as_many_executors_start_as_the_sum_has_room_for(asked: WorkerAsked) -> None:
    """A worker admits executors by its offer and cores alone; each one needs more than its heap."""
    size = _sized(asked)
    executor = size.executor
    admitted = min(size.offer.cores // executor.cores, size.offer.memory // executor.memory)
    assert admitted == executor.per_worker >= 1
    each = executor.memory + sizing.jvm_beside(executor.memory) + asked.beside.off_heap
    needed = admitted * (each + asked.beside.python_of(executor.cores)) + sizing.DAEMON_HEAP + sizing.DAEMON_JVM
    assert needed <= size.budget.limit


@_MANY
@given(_WORKERS | _LIKELY | _LIKELY)
def test_sizing_what_is_sized_changes_nothing(asked: WorkerAsked) -> None:
    size = _sized(asked)
    filled = replace(asked, executor_cores=size.executor.cores, executor_heap=size.executor.memory)
    assert sizing.worker(filled) == size


@given(_WORKERS)
def test_the_limit_that_is_named_as_the_least_is_the_least(asked: WorkerAsked) -> None:
    assume((asked.executor_cores or 1) <= asked.cores)
    assume(asked.executor_heap is None or asked.executor_heap >= sizing.LEAST_HEAP)
    least = sizing.least_worker(replace(asked, offer=None))
    sizing.worker(replace(asked, offer=None, memory=least))
    with pytest.raises(DoesNotFit):
        sizing.worker(replace(asked, offer=None, memory=least - 1))


@_MANY
@given(_WORKERS | _LIKELY | _LIKELY)
def test_an_offer_alone_gives_the_limit_that_carries_it(asked: WorkerAsked) -> None:
    upwards = _sized(replace(asked, memory=None, offer=asked.memory))
    assert upwards.offer.memory == asked.memory
    assert _adds_up(upwards.budget)
    assert upwards.budget.of("spare") == 0


@_MANY
@given(_WORKERS)
def test_every_refusal_says_the_field_and_what_would_do(asked: WorkerAsked) -> None:
    error = _size_or_refusal(asked)
    if isinstance(error, DoesNotFit):
        assert error.field in {"workers.memory", "workers.spark_memory", "executors.memory", "executors.cores"}
        assert error.found
        assert error.hint


@_MANY
@given(_WORKERS)
def test_the_memory_that_a_refusal_names_is_enough(asked: WorkerAsked) -> None:
    error = _size_or_refusal(asked)
    if isinstance(error, DoesNotFit):
        named = re.match(r"set workers\.memory to (\S+?)(,| or)", error.hint or "")
        if named:
            sizing.worker(replace(asked, memory=quantity.memory(named[1])))


def test_the_numbers_of_the_first_stack_are_refused_with_the_sum_and_what_would_fit() -> None:
    """STD-15: limit 1.2g, executor 2g."""
    asked = WorkerAsked(cores=1, memory=quantity.memory("1.2g"), executor_cores=1, executor_heap=2048)
    with pytest.raises(DoesNotFit) as raised:
        sizing.worker(asked)
    error = raised.value
    assert "2048m heap + 288m executor JVM" in error.message
    assert "192m daemon heap + 176m daemon JVM = 2832m" in error.message
    assert error.field == "executors.memory"
    assert error.hint == "set workers.memory to 2832m or more"
    sizing.worker(replace(asked, memory=2832))
    with pytest.raises(DoesNotFit, match="2832m"):
        sizing.worker(replace(asked, memory=2831))


def test_a_refusal_names_the_executor_that_would_fit_when_there_is_one() -> None:
    with pytest.raises(DoesNotFit) as raised:
        sizing.worker(WorkerAsked(cores=1, memory=2048, executor_heap=2048))
    assert raised.value.allowed == "at most 1264m"
    assert sizing.worker(WorkerAsked(cores=1, memory=2048, executor_heap=1264)).executor.memory == 1264


def test_an_executor_larger_than_the_offer_would_wait_for_ever() -> None:
    """STD-15 (a)."""
    with pytest.raises(DoesNotFit, match="wait for ever") as raised:
        sizing.worker(WorkerAsked(cores=1, offer=1024, executor_heap=2048))
    assert raised.value.field == "executors.memory"
    assert raised.value.allowed == "at most 1g"


def test_an_executor_with_more_cores_than_a_worker_would_wait_for_ever() -> None:
    with pytest.raises(DoesNotFit, match="wait for ever") as raised:
        sizing.worker(WorkerAsked(cores=2, memory=4096, executor_cores=3))
    assert raised.value.field == "executors.cores"
    assert raised.value.allowed == "at most 2"


def test_limit_and_offer_have_to_agree() -> None:
    with pytest.raises(DoesNotFit, match="cannot offer 1g") as raised:
        sizing.worker(WorkerAsked(cores=1, memory=1024, offer=1024))
    assert raised.value.hint is not None
    assert "set workers.memory to 1808m" in raised.value.hint
    assert sizing.worker(WorkerAsked(cores=1, memory=2048, offer=1024)).budget.of("spare") == 240


def test_off_heap_memory_and_python_limits_are_part_of_what_an_executor_needs() -> None:
    plain = sizing.worker(WorkerAsked(cores=2, memory=4096))
    beside = sizing.worker(WorkerAsked(cores=2, memory=4096, beside=Beside(off_heap=512, python=600)))
    assert beside.budget.of("off-heap") == 512
    assert beside.budget.of("Python") == 600
    assert plain.budget.of("Python") == 2 * sizing.PYTHON_PER_CORE
    assert beside.offer.memory < plain.offer.memory


# ----------------------------------------------------------------------------------------- master and connect


@given(_MIB)
def test_a_masters_sum_adds_up(limit: int) -> None:
    """STD-16: the heap follows from the limit, never the other way round; nor from another node's size (W-31)."""
    if limit < sizing.DAEMON_HEAP + sizing.DAEMON_JVM:
        with pytest.raises(DoesNotFit, match="master"):
            sizing.master(limit)
    else:
        assert _adds_up(sizing.master(limit))


def test_a_master_of_800_mib_has_a_heap_that_fits_into_it() -> None:
    """STD-16: the first stack gave it 0.8g around Spark's default heap of 1g."""
    assert sizing.master(quantity.memory("0.8g")).of("heap") < quantity.memory("0.8g")


@given(_MIB, st.integers(0, 16), _BESIDE)
def test_a_connect_servers_sum_adds_up(limit: int, cores: int, beside: Beside) -> None:
    if limit < sizing.least_connect(cores, beside):
        with pytest.raises(DoesNotFit, match="Connect server"):
            sizing.connect(limit, cores=cores, beside=beside)
        return
    budget = sizing.connect(limit, cores=cores, beside=beside)
    assert _adds_up(budget)
    assert budget.of("JVM") >= sizing.jvm_beside(budget.of("heap"), sizing.DRIVER_JVM)
    assert (budget.of("Python") > 0) == (cores > 0)


def test_half_a_gibibyte_for_a_driver_is_refused() -> None:
    """STD-16: the first stack gave its notebook 0.5g around the driver's default heap of 1g."""
    with pytest.raises(DoesNotFit) as raised:
        sizing.connect(512)
    assert raised.value.allowed == "at least 896m"


# ---------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("conf", "beside"),
    [
        ({}, Beside()),
        ({"spark.memory.offHeap.size": "1g"}, Beside()),
        ({"spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": "1g"}, Beside(off_heap=1024)),
        ({"spark.memory.offHeap.enabled": "TRUE", "spark.memory.offHeap.size": "1048577"}, Beside(off_heap=2)),
        ({"spark.executor.pyspark.memory": "700"}, Beside(python=700)),
        ({"spark.executor.pyspark.memory": "1g"}, Beside(python=1024)),
    ],
)
def test_what_the_configuration_takes_is_read_as_spark_reads_it(conf: dict[str, str], beside: Beside) -> None:
    assert sizing.beside_of(conf) == beside


def test_a_size_in_the_configuration_that_is_none_is_named() -> None:
    with pytest.raises(InvalidSpec) as raised:
        sizing.beside_of({"spark.executor.pyspark.memory": "lots"})
    assert raised.value.field == "spark.conf.spark.executor.pyspark.memory"


def test_the_sums_that_are_shown_are_those_of_the_plan() -> None:
    plan = planning.build(fit(validate({"workers": 3}), Room(8, 32 * 1024, spark="4.3.0")).spec)
    shown = sizing.sums(plan)
    assert [(each.role, each.count) for each in shown] == [("master", 1), ("worker", 3), ("connect", 1)]
    assert all(sum(each.parts.values()) == each.limit for each in shown)
    assert sum(each.count * each.limit for each in shown) == sizing.total(plan)
