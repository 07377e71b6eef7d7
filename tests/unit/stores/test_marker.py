"""What a database and the marker beside it mean together (design.md, Decision 2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from fireside.errors import Refused
from fireside.stores import marker
from fireside.stores.marker import Mark, judge

MARK = Mark("aaaa", 5, "/home/ann/fireside")


def test_a_new_installation_holds_nothing_because_nothing_carries_its_id_yet() -> None:
    verdict = judge(None, None)
    assert (verdict.installation, verdict.held) == (None, None)


def test_a_lost_database_keeps_the_id_and_holds_the_sweep() -> None:
    verdict = judge(None, MARK)
    assert (verdict.installation, verdict.changes) == ("aaaa", 5)
    assert verdict.held is not None
    assert "the store is new but the installation is not" in verdict.held


def test_a_marker_that_counted_nothing_holds_nothing() -> None:
    assert judge(None, Mark("aaaa", 0, "/x")).held is None


def test_a_database_without_its_marker_holds_the_sweep() -> None:
    verdict = judge(("aaaa", 5), None)
    assert (verdict.installation, verdict.changes) == ("aaaa", 5)
    assert verdict.held is not None


def test_an_older_database_holds_the_sweep_and_counts_on_from_the_marker() -> None:
    verdict = judge(("aaaa", 3), MARK)
    assert (verdict.changes, verdict.held) == (5, "the store was restored: changes missing: 2")


@pytest.mark.parametrize("changes", [5, 6])
def test_a_database_that_counted_as_much_or_more_is_trusted(changes: int) -> None:
    verdict = judge(("aaaa", changes), MARK)
    assert (verdict.changes, verdict.held) == (changes, None)


def test_a_database_of_another_installation_is_refused_naming_both() -> None:
    with pytest.raises(Refused, match=r"bbbb.*aaaa"):
        judge(("bbbb", 5), MARK)


def test_a_marker_is_read_back_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    marker.write(tmp_path, MARK)
    assert marker.read(tmp_path) == MARK
    assert [(file.name, file.stat().st_mode & 0o777) for file in tmp_path.iterdir()] == [(marker.NAME, 0o600)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"installation": "a"}', "\0\0\0"])
def test_a_damaged_marker_is_refused_naming_the_file(content: str, tmp_path: Path) -> None:
    (tmp_path / marker.NAME).write_text(content)
    with pytest.raises(Refused, match=marker.NAME):
        marker.read(tmp_path)
