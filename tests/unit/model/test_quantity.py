"""Amounts of memory and time (W-02, W-35, W-36)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.model import quantity


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("1G", 1024),
        ("1g", 1024),
        ("1GB", 1024),
        ("1Gi", 1024),
        ("1GiB", 1024),
        ("1.5g", 1536),
        (" 512 m ", 512),
        ("2048k", 2),
        ("1t", 1024**2),
        ("64t", 64 * 1024**2),
    ],
)
def test_memory_is_read_as_spark_reads_it(text: str, mib: int) -> None:
    assert quantity.memory(text) == mib


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "less than 1 MiB"),
        ("0g", "less than 1 MiB"),
        ("1k", "less than 1 MiB"),
        (0, "write it like 512m"),
        (-1, "write it like 512m"),
        ("-1", "write it like 512m"),
        ("lots", "write it like 512m"),
        ("", "write it like 512m"),
        ("1e3m", "write it like 512m"),
        ("\u0661g", "write it like 512m"),
        ("9" * 5000 + "g", "write it like 512m"),
        (True, "write it like 512m"),
        (math.nan, "write it like 512m"),
        (2048, "write 2048m for MiB or 2048g for GiB"),
        ("1024", "write 1024m for MiB or 1024g for GiB"),
        ("65t", "more than 64 TiB"),
        (["1g"], "write it like 512m"),
    ],
)
def test_anything_else_is_refused_with_what_would_do(text: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        quantity.memory(text)


@given(st.integers(1, 64 * 1024**2))
def test_memory_that_is_shown_reads_back_the_same(mib: int) -> None:
    assert quantity.memory(quantity.show_memory(mib)) == mib


@given(st.decimals("0.001", "60000", places=3), st.sampled_from(["m", "M", "g", "Gi", "GiB", "MB"]))
def test_memory_is_never_rounded_up(number: object, unit: str) -> None:
    """W-02: rounding up would promise memory that is not there."""
    text = f"{number}{unit}"
    exact = float(str(number)) * (1024 if unit.lower().startswith("g") else 1)
    if exact >= 1:
        assert exact - 1 < quantity.memory(text) <= exact + 1e-9


@given(st.text(max_size=40))
def test_any_text_gives_a_size_or_one_clear_error(text: str) -> None:
    for read in (quantity.memory, quantity.seconds):
        assert _outcome(read, text)


def _outcome(read: Callable[[object], float], text: str) -> bool:
    try:
        return read(text) >= 0
    except ValueError as error:
        return "write" in str(error) or "more than" in str(error)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("2m", 120), ("2min", 120), ("1h", 3600), ("1d", 86400), ("0s", 0)],
)
def test_times_need_a_unit(text: str, seconds: float) -> None:
    assert quantity.seconds(text) == seconds


@pytest.mark.parametrize("text", [90, "90", "-1s", "soon", True, None])
def test_a_time_without_a_unit_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="90s"):
        quantity.seconds(text)


@given(st.integers(0, 10**10))
def test_a_time_that_is_shown_reads_back_the_same(ms: int) -> None:
    assert quantity.seconds(quantity.show_seconds(ms / 1000)) == ms / 1000


def test_times_are_shown_in_the_largest_whole_unit() -> None:
    assert [quantity.show_seconds(value) for value in (0, 0.5, 90, 120, 7200)] == ["0s", "500ms", "90s", "2m", "2h"]
