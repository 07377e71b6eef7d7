"""Asking a server loads little: a command has to answer at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "structlog",
    "asyncio",
    "httpx",
    "ruamel",
    "pyspark",
}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import fireside", "from fireside.client import launch", "from fireside.client.cluster import up"],
)
def test_asking_loads_no_heavy_module(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_the_package_itself_loads_nothing_at_all() -> None:
    assert "pydantic" not in loaded_by("import fireside")
