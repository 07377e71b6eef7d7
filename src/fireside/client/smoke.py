"""A smoke test: does this cluster compute? SQL, a DataFrame, the pandas API and Pi, each timed, each checked.

Every answer is known beforehand, so a wrong one counts as a failure like an error does.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PI_POINTS = 1_000_000
PI_TOLERANCE = 0.01  # six standard deviations of that many points


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended."""

    name: str
    ok: bool
    seconds: float
    detail: str
    """The answer, or what went wrong, in one line."""


def smoke(session: Any, *, timeout: float = 60.0) -> Iterator[CheckResult]:
    """Yield the result of each check as it ends. `timeout`, in seconds, bounds each."""
    for name, check in CHECKS:
        yield _run(name, check, session, timeout)


def _run(name: str, check: Callable[[Any], tuple[object, bool]], session: Any, timeout: float) -> CheckResult:
    started = time.perf_counter()
    try:
        with time_limit(session, timeout):
            answer, ok = check(session)
    except query_errors() as error:
        spent = time.perf_counter() - started
        first = (str(error).splitlines() or [type(error).__name__])[0]
        detail = f"no answer within {timeout:g}s" if spent >= timeout else first
        return CheckResult(name, False, spent, detail)
    return CheckResult(name, ok, time.perf_counter() - started, str(answer) if ok else f"wrong answer: {answer}")


def _sql(session: Any) -> tuple[object, bool]:
    total = session.sql("SELECT sum(id) AS total FROM range(1000)").collect()[0]["total"]
    return f"sum of 0..999 = {total}", total == 499_500


def _data_frame(session: Any) -> tuple[object, bool]:
    frame = session.createDataFrame([("a", 1), ("b", 2), ("a", 3)], "key string, value int")
    sums = {
        row["key"]: row["total"] for row in frame.groupBy("key").agg({"value": "sum"}).toDF("key", "total").collect()
    }
    return f"sums by key: {dict(sorted(sums.items()))}", sums == {"a": 4, "b": 2}


def _pandas_api(session: Any) -> tuple[object, bool]:
    mean = float(session.range(1, 101).pandas_api()["id"].mean())
    return f"mean of 1..100 = {mean:g}", math.isclose(mean, 50.5)


def _pi(session: Any) -> tuple[object, bool]:
    inside = (
        session.range(PI_POINTS)
        .selectExpr("pow(2 * rand(1) - 1, 2) + pow(2 * rand(2) - 1, 2) <= 1 AS inside")
        .where("inside")
        .count()
    )
    pi = 4 * inside / PI_POINTS
    return f"{pi:.4f} from {PI_POINTS:,} points", abs(pi - math.pi) < PI_TOLERANCE


CHECKS: tuple[tuple[str, Callable[[Any], tuple[object, bool]]], ...] = (
    ("SQL", _sql),
    ("DataFrame", _data_frame),
    ("pandas API", _pandas_api),
    ("Pi", _pi),
)


def query_errors() -> tuple[type[BaseException], ...]:
    """Return what a query may raise: errors of pyspark and of gRPC, and a package that is missing here."""
    found: list[type[BaseException]] = [ImportError]
    try:
        from pyspark.errors import PySparkException

        found.append(PySparkException)
        from grpc import RpcError

        found.append(RpcError)
    except ImportError:
        pass  # then nothing of theirs can be raised
    return tuple(found)


@contextmanager
def time_limit(session: Any, seconds: float) -> Iterator[None]:
    """Interrupt the session's operations when they take longer: a query without executors waits for ever."""
    timer = threading.Timer(seconds, session.interruptAll)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
