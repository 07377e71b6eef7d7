"""The server's log: one JSON object a line, for its owner alone, bounded."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from fireside.gateway import logfile
from fireside.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    path = tmp_path / "server.log"
    logfile.configure(path, Settings(home=tmp_path, log_bytes=2000, log_files=2))
    yield path
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_a_sentence_with_a_stable_name(path: Path) -> None:
    logging.getLogger("fireside.x").info("The server answers at %s.", "/s", extra={"event_name": "server.started"})
    line = json.loads(path.read_text())
    assert line["message"] == "The server answers at /s."
    assert (line["event_name"], line["level"], line["logger"]) == ("server.started", "info", "fireside.x")
    assert line["timestamp"].endswith("Z")


def test_what_structlog_is_told_ends_in_the_same_file(path: Path) -> None:
    structlog.get_logger("fireside.y").warning("a look failed", event_name="engine.look_failed", cluster="abc")
    line = json.loads(path.read_text())
    assert (line["message"], line["event_name"], line["cluster"]) == ("a look failed", "engine.look_failed", "abc")
    assert (line["level"], line["logger"]) == ("warning", "fireside.y")


def test_an_error_has_its_traceback_in_the_same_line(path: Path) -> None:
    try:
        int("why")
    except ValueError:
        logging.getLogger("fireside.x").exception("It failed.")
    line = json.loads(path.read_text())
    assert "ValueError: invalid literal" in line["exception"]
    assert "event_name" not in line


def test_the_log_is_rotated_and_private(path: Path) -> None:
    for number in range(100):
        logging.getLogger("fireside.x").info("Line %d.", number)
    files = sorted(path.parent.glob("server.log*"))
    assert [file.name for file in files] == ["server.log", "server.log.1", "server.log.2"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert all(file.stat().st_size <= 2000 for file in files)
