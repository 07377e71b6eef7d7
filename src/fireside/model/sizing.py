"""Sizes: how a node's memory adds up, and what fits where. All memory is MiB, from the limit downwards.

::

    worker   limit - daemon heap - daemon JVM - n x (executor JVM + off-heap + Python) = what executors may take
    connect  limit - JVM - (topology single: off-heap + Python)                        = driver heap
    master   limit - JVM                                                               = daemon heap

The parts of a budget always add up to its limit exactly; what nothing may take is a part of its own (`spare`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fireside.errors import DoesNotFit, InvalidSpec
from fireside.model.plan import Budget, BudgetPart, Executor, Offer, Plan
from fireside.model.quantity import memory, show_memory

# Measured with Spark 4.3.0 on Java 17 and 25 (resident size of each process, daemons with a 256 MiB heap and C1):
# master 190 to 220 MiB and worker 200 to 215 in all, executors 300 after Python functions with 1 GiB of heap, Connect
# servers 460, a Python worker with pandas 92 and its daemon 34 of their own. No load test stands behind them.
DAEMON_HEAP = 192
"""Heap of a worker's daemon, and the least for a master. They hold lists of workers and applications, no data."""
DAEMON_JVM = 176
"""What a daemon's JVM needs beside its heap: classes, threads, compiled code."""
EXECUTOR_JVM = 288
"""The least that an executor's JVM needs beside its heap; 10 % of the heap where that is more."""
DRIVER_JVM = 384
"""The same for a Connect server, which also compiles queries."""
PYTHON_PER_CORE = 128
"""One Python worker per core, where `spark.executor.pyspark.memory` does not say otherwise."""
LEAST_HEAP = 512
"""Spark refuses drivers and executors below 450 MiB as the JVM counts them; of 512 a serial collector shows 494 (run
with 4.3.0: both start and answer a query)."""
LEAST_WORKER = DAEMON_HEAP + DAEMON_JVM + LEAST_HEAP + EXECUTOR_JVM + PYTHON_PER_CORE
"""A worker with one executor of one core."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where nodes would run: what defaults are fitted to. Memory in MiB."""

    cores: int
    memory: int
    """All of it; sizes are refused above this."""
    spark: str | None = None
    """Version of Spark found there; None: any version can be had."""
    python: str | None = None
    """`major.minor` of the Python that runs Python workers there."""
    javas: tuple[str, ...] = ()
    """Versions of the Java runtimes found there."""
    notes: tuple[str, ...] = ()
    """What the owner should know of it, in sentences."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What an executor needs beside its heap because the configuration says so. MiB."""

    off_heap: int = 0
    """`spark.memory.offHeap.size`, when enabled."""
    python: int | None = None
    """`spark.executor.pyspark.memory`, for all Python workers of one executor; None: not set."""

    def python_of(self, cores: int) -> int:
        """Return the Python share of an executor with so many cores."""
        return PYTHON_PER_CORE * cores if self.python is None else self.python


NOTHING_BESIDE = Beside()


@dataclass(frozen=True, slots=True)
class WorkerAsked:
    """What is known of a worker before it is sized; None: not asked for."""

    cores: int
    memory: int | None = None
    """The limit."""
    offer: int | None = None
    """SPARK_WORKER_MEMORY."""
    executor_cores: int | None = None
    executor_heap: int | None = None
    beside: Beside = NOTHING_BESIDE


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """A worker's sum, what it offers, and the executors that it is made for."""

    budget: Budget
    offer: Offer
    executor: Executor


@dataclass(frozen=True, slots=True)
class RoleSum:
    """The memory sum of one role's nodes, as `fireside explain` prints it. MiB."""

    role: str
    count: int
    cores: int
    limit: int
    parts: dict[str, int]


def sums(plan: Plan) -> tuple[RoleSum, ...]:
    """Return the sum of each role of a plan, in the plan's order."""
    return tuple(
        RoleSum(
            role=group.role.value,
            count=group.count,
            cores=group.cores,
            limit=group.budget.limit,
            parts={part.name: part.mib for part in group.budget.parts},
        )
        for group in plan.groups
    )


def total(plan: Plan) -> int:
    """Return the MiB of all nodes of a plan together."""
    return sum(group.count * group.budget.limit for group in plan.groups)


def jvm_beside(heap: int, least: int = EXECUTOR_JVM) -> int:
    """Return what a JVM with this heap needs beside it."""
    return max(least, -(-heap // 10))


def _largest_heap(share: int, least: int) -> int:
    """Return the largest heap h with h + jvm_beside(h) ≤ share."""
    return min(share - least, share * 10 // 11)


# --------------------------------------------------------------------------------------------- daemons


def master(limit: int) -> Budget:
    """Return a master's sum. Raises DoesNotFit when the limit leaves too little heap."""
    heap = limit - DAEMON_JVM
    if heap < DAEMON_HEAP:
        raise DoesNotFit(
            f"a master of {show_memory(limit)} leaves {_left(heap)} of heap after {DAEMON_JVM}m for its JVM; "
            f"it needs {DAEMON_HEAP}m",
            field="master.memory",
            found=show_memory(limit),
            allowed=f"at least {show_memory(DAEMON_HEAP + DAEMON_JVM)}",
            hint=f"set master.memory to {show_memory(DAEMON_HEAP + DAEMON_JVM)} or more",
        )
    return _budget(limit, {"heap": heap, "JVM": DAEMON_JVM})


def connect(limit: int, *, cores: int = 0, beside: Beside = NOTHING_BESIDE) -> Budget:
    """Return a Connect server's sum; with `cores`, one that does all work itself (topology single).

    Raises DoesNotFit when the limit leaves less heap than Spark starts with.
    """
    works = cores > 0
    python = beside.python_of(cores) if works else 0
    off_heap = beside.off_heap if works else 0
    heap = _largest_heap(limit - python - off_heap, DRIVER_JVM)
    if heap < LEAST_HEAP:
        least = least_connect(cores, beside)
        shares = f"{DRIVER_JVM}m for its JVM" + (f" and {python + off_heap}m for Python and off-heap" if works else "")
        raise DoesNotFit(
            f"a Connect server of {show_memory(limit)} leaves {_left(heap)} of heap after {shares}; Spark needs "
            f"{LEAST_HEAP}m",
            field="connect.memory",
            found=show_memory(limit),
            allowed=f"at least {show_memory(least)}",
            hint=f"set connect.memory to {show_memory(least)} or more",
        )
    return _budget(
        limit, {"heap": heap, "JVM": limit - heap - python - off_heap, "off-heap": off_heap, "Python": python}
    )


def least_connect(cores: int = 0, beside: Beside = NOTHING_BESIDE) -> int:
    """Return the smallest limit that `connect` accepts."""
    work = beside.python_of(cores) + beside.off_heap if cores > 0 else 0
    return LEAST_HEAP + DRIVER_JVM + work


# --------------------------------------------------------------------------------------------- workers


def worker(asked: WorkerAsked) -> WorkerSize:
    """Return a worker's sum, its offer and its executors.

    The limit is `asked.memory`; when only the offer is given, the limit follows from it upwards. An executor has
    all cores of its worker and as much heap as fits, unless asked otherwise. Raises DoesNotFit with the sum, and
    with the numbers that would fit.
    """
    cores = asked.executor_cores or asked.cores
    if cores > asked.cores:
        raise DoesNotFit(
            f"an executor with {cores} cores never starts on a worker with {asked.cores}: the application would wait "
            "for ever",
            field="executors.cores",
            found=str(cores),
            allowed=f"at most {asked.cores}",
            hint=f"set executors.cores to {asked.cores} or less, or workers.cores to {cores}",
        )
    _check_heap(asked)
    if asked.offer is not None:
        return _from_offer(asked, asked.offer, cores)
    if asked.memory is None:
        raise DoesNotFit("a worker has neither memory nor spark_memory", field="workers.memory")
    return _from_limit(asked, asked.memory, cores)


def least_worker(asked: WorkerAsked) -> int:
    """Return the smallest limit for a worker that holds one executor as asked."""
    cores = asked.executor_cores or asked.cores
    heap = asked.executor_heap or LEAST_HEAP
    return DAEMON_HEAP + DAEMON_JVM + heap + jvm_beside(heap) + _fixed(asked, cores)


def _check_heap(asked: WorkerAsked) -> None:
    heap = asked.executor_heap
    if heap is not None and heap < LEAST_HEAP:
        raise DoesNotFit(
            f"an executor with {show_memory(heap)} of heap does not start: Spark needs {LEAST_HEAP}m",
            field="executors.memory",
            found=show_memory(heap),
            allowed=f"at least {LEAST_HEAP}m",
            hint=f"set executors.memory to {LEAST_HEAP}m or more",
        )


def _fixed(asked: WorkerAsked, cores: int) -> int:
    """What one executor needs beside heap and JVM."""
    return asked.beside.off_heap + asked.beside.python_of(cores)


def _from_limit(asked: WorkerAsked, limit: int, cores: int) -> WorkerSize:
    available = limit - DAEMON_HEAP - DAEMON_JVM
    slots = asked.cores // cores
    fixed = _fixed(asked, cores)
    if asked.executor_heap is None:
        count = slots
        heap = _largest_heap(available // slots - fixed, EXECUTOR_JVM)
        while heap < LEAST_HEAP and count > 1:
            count -= 1
            heap = _largest_heap(available // count - fixed, EXECUTOR_JVM)
    else:
        heap = asked.executor_heap
        count = min(slots, max(available, 0) // (heap + jvm_beside(heap) + fixed))
    if count < 1 or heap < LEAST_HEAP:
        raise _worker_too_small(asked, limit, cores)
    offer = available - count * (jvm_beside(heap) + fixed)
    if count < slots:
        # Memory is the bound: a larger offer would let one more executor in than the limit carries.
        offer = min(offer, (count + 1) * heap - 1)
    return _worker_size(asked, limit, offer, Executor(cores=cores, memory=heap, per_worker=count))


def _from_offer(asked: WorkerAsked, offer: int, cores: int) -> WorkerSize:
    slots = asked.cores // cores
    if asked.executor_heap is None:
        count = max(1, min(slots, offer // LEAST_HEAP))
        heap = offer // count
    else:
        heap = asked.executor_heap
        count = min(slots, offer // heap)
    if count < 1 or heap < LEAST_HEAP:
        needed = asked.executor_heap or LEAST_HEAP
        raise DoesNotFit(
            f"an executor of {show_memory(needed)} never starts on a worker that offers {show_memory(offer)}: the "
            "application would wait for ever",
            field="executors.memory" if asked.executor_heap else "workers.spark_memory",
            found=show_memory(needed if asked.executor_heap else offer),
            allowed=f"at most {show_memory(offer)}" if asked.executor_heap else f"at least {show_memory(needed)}",
            hint=f"set workers.spark_memory to {show_memory(needed)} or more"
            + (f", or executors.memory to {show_memory(offer)}" if offer >= LEAST_HEAP else ""),
        )
    each = jvm_beside(heap) + _fixed(asked, cores)
    needed = DAEMON_HEAP + DAEMON_JVM + offer + count * each
    limit = needed if asked.memory is None else asked.memory
    if limit < needed:
        fitting = offer - (needed - limit)
        raise DoesNotFit(
            f"a worker of {show_memory(limit)} cannot offer {show_memory(offer)} to executors: with "
            f"{DAEMON_HEAP}m daemon heap, {DAEMON_JVM}m daemon JVM and {count} x {each}m "
            f"beside the heap of executors it needs {show_memory(needed)}",
            field="workers.spark_memory",
            found=show_memory(offer),
            allowed=f"at most {show_memory(fitting)}" if fitting >= LEAST_HEAP else None,
            hint=f"set workers.memory to {show_memory(needed)}, or leave workers.spark_memory out",
        )
    return _worker_size(asked, limit, offer, Executor(cores=cores, memory=heap, per_worker=count))


def _worker_size(asked: WorkerAsked, limit: int, offer: int, executor: Executor) -> WorkerSize:
    count = executor.per_worker
    parts = {
        "executors": offer,
        "executor JVM": count * jvm_beside(executor.memory),
        "off-heap": count * asked.beside.off_heap,
        "Python": count * asked.beside.python_of(executor.cores),
        "daemon heap": DAEMON_HEAP,
        "daemon JVM": DAEMON_JVM,
    }
    parts["spare"] = limit - sum(parts.values())
    return WorkerSize(_budget(limit, parts), Offer(cores=asked.cores, memory=offer), executor)


def _worker_too_small(asked: WorkerAsked, limit: int, cores: int) -> DoesNotFit:
    heap = asked.executor_heap or LEAST_HEAP
    fixed = _fixed(asked, cores)
    needed = least_worker(asked)
    fitting = _largest_heap(limit - DAEMON_HEAP - DAEMON_JVM - fixed, EXECUTOR_JVM)
    beside = f" + {fixed}m Python and off-heap" if fixed else ""
    smaller = f", or executors.memory to {show_memory(fitting)}" if fitting >= LEAST_HEAP else ""
    return DoesNotFit(
        f"an executor of {show_memory(heap)} does not fit on a worker of {show_memory(limit)}: {heap}m heap + "
        f"{jvm_beside(heap)}m executor JVM{beside} + {DAEMON_HEAP}m daemon heap + {DAEMON_JVM}m daemon JVM = {needed}m",
        field="executors.memory" if asked.executor_heap else "workers.memory",
        found=show_memory(asked.executor_heap or limit),
        allowed=f"at most {show_memory(fitting)}" if smaller else f"workers of at least {show_memory(needed)}",
        hint=f"set workers.memory to {show_memory(needed)} or more{smaller}",
    )


def _budget(limit: int, parts: dict[str, int]) -> Budget:
    return Budget(limit=limit, parts=tuple(BudgetPart(name=name, mib=mib) for name, mib in parts.items() if mib))


def _left(heap: int) -> str:
    return f"{heap}m" if heap > 0 else "nothing"


# ---------------------------------------------------------------------------------------- configuration


def beside_of(conf: Mapping[str, str]) -> Beside:
    """Return what the driver's configuration asks for beside an executor's heap.

    Raises InvalidSpec naming the key for a size that is none. A number without a unit means what it means to Spark
    for that key: bytes for the off-heap size, MiB for Python.
    """
    off_heap = 0
    if conf.get("spark.memory.offHeap.enabled", "false").strip().lower() == "true":
        off_heap = _conf_mib(conf, "spark.memory.offHeap.size", bare_unit="b") or 0
    return Beside(off_heap=off_heap, python=_conf_mib(conf, "spark.executor.pyspark.memory", bare_unit="m"))


def _conf_mib(conf: Mapping[str, str], key: str, *, bare_unit: str) -> int | None:
    text = conf.get(key, "").strip()
    if not text or text == "0":
        return None
    if text.isdecimal():
        return -(-int(text) // 1024**2) if bare_unit == "b" else int(text)
    try:
        return memory(text)
    except ValueError as error:
        raise InvalidSpec(f"{key}: {error}", field=f"spark.conf.{key}", found=text) from error
