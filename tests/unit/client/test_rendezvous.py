"""Where a server and its clients meet: only their owner may come (SEC-04)."""

from __future__ import annotations

import fcntl
import json
import stat
from pathlib import Path

import pytest

from fireside.client import rendezvous
from fireside.errors import NotAllowed, Refused
from fireside.settings import Settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_usual_place_is_below_the_home() -> None:
    meeting = rendezvous.meeting_of(Settings(home=Path("/h")))
    assert meeting.socket == Path("/h/run/server.sock")


def test_a_deep_home_gets_a_short_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    deep, other = (tmp_path / ("x" * 120) / name for name in ("a", "b"))
    one = rendezvous.meeting_of(Settings(home=deep)).socket
    assert len(str(one)) < 100
    assert one == rendezvous.meeting_of(Settings(home=deep)).socket
    assert one != rendezvous.meeting_of(Settings(home=other)).socket
    assert one.parent.name.startswith("fireside-")


def test_directories_are_for_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    meeting = rendezvous.prepare(Settings(home=tmp_path / "home"))
    assert {mode(tmp_path / "home"), mode(meeting.socket.parent)} == {0o700}


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused) as caught:
        rendezvous.prepare(Settings(home=tmp_path / "file" / "home"))
    assert str(tmp_path / "file" / "home") in caught.value.message
    assert "FIRESIDE_HOME" in (caught.value.hint or "")


def test_a_directory_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 4711)
    with pytest.raises(NotAllowed, match="not to you"):
        rendezvous.private_directory(tmp_path)


def test_a_link_in_a_public_place_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(rendezvous, "_runtime", lambda: tmp_path)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "fireside-0").symlink_to(tmp_path / "theirs")
    with pytest.raises(NotAllowed, match="symbolic link"):
        rendezvous.private_directory(tmp_path / "fireside-0")


def test_the_lock_tells_whether_a_server_lives(tmp_path: Path) -> None:
    meeting = rendezvous.prepare(Settings(home=tmp_path))
    assert rendezvous.lock_is_free(meeting)
    with meeting.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("123\n")
        held.flush()
        assert not rendezvous.lock_is_free(meeting)
        assert rendezvous.server_pid(meeting) == 123
    assert rendezvous.lock_is_free(meeting)


def test_the_note_is_private_and_written_at_once(tmp_path: Path) -> None:
    meeting = rendezvous.prepare(Settings(home=tmp_path))
    rendezvous.write_note(meeting, {"pid": 1})
    rendezvous.write_note(meeting, {"pid": 2})
    assert json.loads(meeting.note.read_text()) == {"pid": 2}
    assert mode(meeting.note) == 0o600
    assert [path.name for path in meeting.note.parent.iterdir()] == ["server.json"]


def test_a_directory_that_others_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "thesis.tex").touch()
    with pytest.raises(NotAllowed, match="holds other things"):
        rendezvous.private_directory(shared)
    assert shared.stat().st_mode & 0o777 == 0o755


def test_an_empty_directory_that_others_could_enter_is_closed_to_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    rendezvous.private_directory(home)
    assert home.stat().st_mode & 0o777 == 0o700
