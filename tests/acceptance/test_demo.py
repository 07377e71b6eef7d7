"""The README's first command, as a stranger runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.real
@pytest.mark.timeout(600)
def test_the_demo_gets_equal_rows_from_two_engines_and_leaves_nothing_behind() -> None:
    # CLI-01, STD-20 (SQL, Pi), W-08
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/lib/demo.py")], capture_output=True, text=True, timeout=540, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("equal to DuckDB's") == 2
    assert "Pi is roughly 3.14" in done.stdout
    assert "Nothing is left behind." in done.stdout
