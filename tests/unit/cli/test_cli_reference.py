"""`docs/reference/cli.md` says what the commands say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fireside import wire
from fireside.cli import main

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
COMMANDS = [name for names in main.SECTIONS.values() for name in names]


def section(command: str) -> str:
    """Return what the reference says of a command."""
    text = REFERENCE.read_text(encoding="utf-8")
    return text.partition(f"\n### {command}\n")[2].partition("\n#")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_every_command_is_in_the_reference(fireside: Callable[..., Any], command: str) -> None:
    options = fireside(command, "--help").stdout.partition("\nOptions:\n")[2]
    flags = set(re.findall(r"^  (?:(-\w), )?(--[\w-]+)(?: / (--[\w-]+))?", options, re.MULTILINE))
    named = {flag for found in flags for flag in found if flag} - {"--help", "-h"}
    missing = [flag for flag in sorted(named) if f"`{flag}" not in section(command)]
    assert missing == []


def test_the_table_of_exit_statuses_is_that_of_the_code() -> None:
    text = REFERENCE.read_text(encoding="utf-8").partition("## Exit status")[2].partition("\n## ")[0]
    rows = {
        int(status): set(re.findall(r"`(\w+)`", codes))
        for status, codes in re.findall(r"^\| (\d+) \| ([^|]*)", text, re.M)
    }
    expected: dict[int, set[str]] = {0: set(), 1: set(), main.INTERRUPTED: set()}
    for row in wire.ERRORS:
        expected.setdefault(row.exit, set()).add(row.code)
    assert rows == expected
