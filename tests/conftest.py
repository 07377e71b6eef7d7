"""What every test shares: the `--real` switch, quiet property tests, and a home that is nobody's."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("fireside", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fireside")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real", action="store_true", help="run the tests that need real parts; a missing part is a failure"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--real"):
        if importlib.util.find_spec("pyspark") is None:
            raise pytest.UsageError("--real needs pyspark: pip install -e '.[dev]'")
        return
    skip = pytest.mark.skip(reason="starts real Spark: run scripts/test --real")
    for item in items:
        if "real" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A temporary directory with a short path, for Unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="fs-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_fireside_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own Fireside and Spark out of the tests."""
    for name in [n for n in os.environ if n.startswith(("FIRESIDE_", "SPARK_", "PYSPARK_"))]:
        monkeypatch.delenv(name)
