"""Files of their owner alone, and refusals with a name."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fireside.backends.local import files
from fireside.backends.local.layout import Layout
from fireside.errors import InternalError, Refused


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_new_directories_are_for_their_owner_alone(tmp_path: Path) -> None:
    files.write(tmp_path / "a" / "b" / "secret", "value")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)
    assert mode(tmp_path / "a" / "b" / "secret") == 0o600
    assert files.read(tmp_path / "a" / "b" / "secret") == "value"
    assert files.read(tmp_path / "a" / "nothing") is None


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o775)
    files.make_directory(tmp_path / "shared")
    assert mode(tmp_path / "shared") == 0o775


def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(tmp_path / "record", "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refused, match="record: No space left on device") as caught:
        files.write(tmp_path / "record", "new")
    assert caught.value.hint == "make room on that disk, or point FIRESIDE_HOME at another"
    assert files.read(tmp_path / "record") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["record"]


def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Refused, match="cannot make the directory"):
            files.make_directory(path)


def test_deleting_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "mine")
    files.remove_tree(tmp_path / "tree")
    files.remove_tree(tmp_path / "tree")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    files.remove_tree(tmp_path / "link")
    assert (tmp_path / "mine" / "data").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_sizes_count_files_and_not_what_links_point_at(tmp_path: Path) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "a").write_bytes(b"x" * 1000)
    (tmp_path / "big").write_bytes(b"x" * 100_000)
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "big")
    assert 1000 <= files.size_of(tmp_path / "tree") < 2000
    assert files.size_of(tmp_path / "nothing") == 0


@pytest.mark.parametrize("name", ["../x", "/etc", "", ".hidden", "a/b", "x" * 200])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InternalError):
        Layout(tmp_path).cluster(name)
    with pytest.raises(InternalError):
        Layout(tmp_path).cluster("c1").node(name)
