"""A local cluster runs the Python and the PySpark of whoever asks (VER-01)."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Any

import pytest

from fireside.client.caller import pyspark_version, with_caller

ABSENT: list[dict[str, Any]] = [{}, {"spark": {}}, {"spark": None}, {"backend": "local", "workers": 2}]


@pytest.mark.parametrize("asked", ABSENT)
def test_the_callers_python_is_filled_in(asked: dict[str, Any]) -> None:
    spark = with_caller(asked)["spark"]
    assert spark == {"python": sys.executable, "version": metadata.version("pyspark")}


def test_what_was_asked_for_stays() -> None:
    asked = {"spark": {"version": "4.0.1", "conf": {"a": "b"}}, "workers": 3}
    found = with_caller(asked)
    assert found == {**asked, "spark": {"python": sys.executable, "version": "4.0.1", "conf": {"a": "b"}}}
    assert "python" not in asked["spark"]  # type: ignore[operator]


@pytest.mark.parametrize(
    "asked", [{"backend": "docker"}, {"spark": "4.3.0"}, {"spark": {"python": "/usr/bin/python3"}}]
)
def test_where_it_means_nothing_it_is_left_out(asked: dict[str, Any]) -> None:
    assert with_caller(asked) == asked


def test_without_pyspark_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert pyspark_version() is None
    assert with_caller({})["spark"] == {"python": sys.executable}
