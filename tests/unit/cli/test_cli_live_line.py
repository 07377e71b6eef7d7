"""The live line at a terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest

from fireside.cli import progress


class Terminal(io.StringIO):
    """Keeps what a terminal would be sent."""

    def isatty(self) -> bool:
        return True


def test_what_is_waited_for_stays_on_one_line_of_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.display(quiet=False) as shown:
        shown.waiting("waits for worker-1 (not registered\nat the master yet), worker-2 and 7 more")
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", terminal.getvalue()))
    live = {line[2:] for line in lines if "worker-1" in line}
    assert live == {"waits for worker-1 (not registered at…"}
