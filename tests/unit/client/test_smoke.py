"""The smoke test: a wrong answer fails like an error does."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fireside.client import smoke as smokes


class FakeSession:
    def __init__(self) -> None:
        self.interrupted = threading.Event()

    def interruptAll(self) -> None:  # noqa: N802 - pyspark's name
        self.interrupted.set()


def test_each_check_is_named_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smokes, "CHECKS", (("SQL", lambda _s: ("1", True)), ("Pi", lambda _s: ("2.7", False))))
    first, second = smokes.smoke(FakeSession())
    assert (first.name, first.ok, first.detail) == ("SQL", True, "1")
    assert (second.ok, second.detail) == (False, "wrong answer: 2.7")
    assert first.seconds >= 0


def test_an_error_is_told_in_one_line_and_the_next_check_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_session: Any) -> tuple[object, bool]:
        raise ImportError("pandas is missing\nand more")

    monkeypatch.setattr(smokes, "CHECKS", (("pandas API", fails), ("Pi", lambda _s: ("3.14", True))))
    first, second = smokes.smoke(FakeSession())
    assert (first.ok, first.detail) == (False, "pandas is missing")
    assert second.ok


def test_a_check_that_hangs_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession()

    def hangs(asked: FakeSession) -> tuple[object, bool]:
        assert asked.interrupted.wait(30)
        raise ImportError("cancelled")

    monkeypatch.setattr(smokes, "CHECKS", (("SQL", hangs),))
    [result] = smokes.smoke(session, timeout=0.01)
    assert (result.ok, result.detail) == (False, "no answer within 0.01s")


def test_the_checks_are_those_that_the_reference_names() -> None:
    assert [name for name, _ in smokes.CHECKS] == ["SQL", "DataFrame", "pandas API", "Pi"]
