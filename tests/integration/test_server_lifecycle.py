"""The one server of a user: started on demand, race-free, private, and gone when it has nothing to do.

Real processes and a real store; no cluster is made, so that no Spark is needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fireside import wire
from fireside.client import launch, rendezvous
from fireside.client.blocking import Client
from fireside.client.rendezvous import Meeting
from fireside.errors import FiresideError, Refused, TimedOut, Unavailable, VersionMismatch
from fireside.settings import Settings

LIMIT = 30.0


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"waited {LIMIT:g} s in vain: {what}"
        time.sleep(0.02)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FIRESIDE_IDLE_EXIT", raising=False)
    known = Settings(home=tmp_path / "home")
    yield known
    meeting = rendezvous.meeting_of(known)
    pid = rendezvous.server_pid(meeting)
    if pid is not None and not rendezvous.lock_is_free(meeting):
        os.kill(pid, signal.SIGKILL)
        until(lambda: rendezvous.lock_is_free(meeting), "the server of the test has gone")


@pytest.fixture
def meeting(settings: Settings) -> Meeting:
    return rendezvous.meeting_of(settings)


def test_the_first_question_starts_a_server_and_the_next_finds_it(settings: Settings, meeting: Meeting) -> None:
    told: list[str] = []
    assert launch.running_client(settings) is None
    first = Client(launch.ensure_server(settings, told.append)).version()
    second = Client(launch.ensure_server(settings, told.append)).version()
    assert first == second
    assert first.api == wire.API_VERSION
    assert len(told) == 1
    assert json.loads(meeting.note.read_text())["pid"] == first.pid
    # It lives in a session of its own: Ctrl-C in this terminal does not reach it.
    assert os.getsid(first.pid) == first.pid


def test_what_the_server_makes_is_for_its_owner_alone(settings: Settings, meeting: Meeting) -> None:
    # SEC-04; the socket is what stands between other users and everything.
    launch.ensure_server(settings)
    assert mode(settings.home) == 0o700
    for path in settings.home.rglob("*"):
        assert mode(path) & 0o077 == 0, path
    assert stat.S_ISSOCK(meeting.socket.stat().st_mode)
    assert mode(meeting.socket) == 0o600


def test_twenty_at_once_get_one_server(settings: Settings) -> None:
    # W-30: two starts do not race. Real processes: each is a client of its own.
    ask = "from fireside.client import launch; print(launch.open_client().version().pid)"
    clients = [
        subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    answers = [client.communicate(timeout=120) for client in clients]
    assert [client.returncode for client in clients] == [0] * 20, answers
    assert len({out for out, _ in answers}) == 1
    servers = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/environ")
        if f"FIRESIDE_HOME={settings.home}" in _text(path) and "fireside.gateway" in _text(path.parent / "cmdline")
    ]
    assert servers == [answers[0][0].strip()]


def test_of_two_servers_started_at_once_the_second_leaves(settings: Settings, meeting: Meeting) -> None:
    # W-30: clients take turns to start one; this is what holds when they do not.
    servers = [subprocess.Popen([sys.executable, "-m", "fireside.gateway"]) for _ in range(2)]
    until(lambda: any(server.poll() is not None for server in servers), "one of them left")
    left, stayed = sorted(servers, key=lambda server: server.returncode is None)
    assert (left.returncode, stayed.poll()) == (0, None)
    assert Client(meeting.socket).version().pid == stayed.pid == rendezvous.server_pid(meeting)
    stayed.send_signal(signal.SIGTERM)
    assert stayed.wait(LIMIT) == 0


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b"\n").decode(errors="replace")
    except OSError:
        return ""


def test_a_killed_server_is_replaced(settings: Settings, meeting: Meeting) -> None:
    first = launch.open_client(settings).version().pid
    os.kill(first, signal.SIGKILL)
    until(lambda: rendezvous.lock_is_free(meeting), "the lock is free")
    assert meeting.socket.exists(), "a stale socket is what this test is about"
    second = launch.open_client(settings).version().pid
    assert second != first


def test_a_client_that_lives_longer_than_its_server_starts_another(settings: Settings, meeting: Meeting) -> None:
    client = launch.open_client(settings)
    first = client.version().pid
    assert launch.stop_server(settings)
    assert client.version().pid != first


def test_sigterm_ends_it_and_leaves_nothing(settings: Settings, meeting: Meeting) -> None:
    pid = launch.open_client(settings).version().pid
    os.kill(pid, signal.SIGTERM)
    until(lambda: rendezvous.lock_is_free(meeting), "the server has ended")
    assert not meeting.socket.exists()
    assert not meeting.note.exists()
    assert "server.ended" in meeting.log.read_text()


def test_a_request_to_stop_is_answered_and_then_done(settings: Settings) -> None:
    pid = launch.open_client(settings).version().pid
    assert launch.stop_server(settings)
    until(lambda: not alive(pid), "the process has gone")
    until(lambda: not Path(f"/proc/{pid}").exists(), "its parent, which lives on, has reaped it")
    assert not launch.stop_server(settings)


def test_a_server_without_anything_to_do_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_IDLE_EXIT", "300ms")
    pid = launch.open_client(settings).version().pid
    until(lambda: not alive(pid), "the idle server has ended")


def test_a_home_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match=str(tmp_path / "file" / "home")):
        launch.ensure_server(Settings(home=tmp_path / "file" / "home"))


def test_a_start_that_fails_is_the_callers_error(settings: Settings) -> None:
    rendezvous.prepare(settings)
    settings.database.write_bytes(b"this is no database, and never was one" * 100)
    started = time.monotonic()
    with pytest.raises(FiresideError) as caught:
        launch.ensure_server(settings)
    assert str(settings.database) in caught.value.message
    assert not isinstance(caught.value, TimedOut)
    assert time.monotonic() - started < launch.START_TIMEOUT


def test_a_disk_without_any_room_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m,mode=700", "fireside-test", disk], capture_output=True, check=False
    )
    if not made or made.returncode != 0:
        pytest.skip("no right to mount a small file system here")
    try:
        with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass
        with pytest.raises(Refused, match=rf"cannot use {disk}.*: No space left on device"):
            launch.ensure_server(Settings(home=disk))
    finally:
        # The process that failed may need a moment to leave.
        until(lambda: subprocess.run(["umount", disk], check=False).returncode == 0, "the disk is free")


def test_a_store_of_a_newer_fireside_is_refused_by_name(settings: Settings) -> None:
    launch.ensure_server(settings)
    launch.stop_server(settings)
    with contextlib.closing(sqlite3.connect(settings.database)) as database:
        database.execute("update alembic_version set version_num = 'from-the-future'")
        database.commit()
    with pytest.raises(VersionMismatch):
        launch.ensure_server(settings)


def test_a_deep_home_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "r"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = Settings(home=tmp_path / ("deep" * 30))
    socket_path = launch.ensure_server(deep)
    try:
        assert socket_path.is_relative_to(runtime)
        assert (mode(socket_path), mode(socket_path.parent)) == (0o600, 0o700)
    finally:
        launch.stop_server(deep)


class Impostor:
    """Listens where the server would, holds its lock, and answers what a test wants; None: never."""

    def __init__(self, settings: Settings, answer: bytes | None) -> None:
        self.meeting = rendezvous.prepare(settings)
        self.answer = answer
        self.kept: list[socket.socket] = []
        self.listening = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Impostor:
        self.listening.bind(str(self.meeting.socket))
        self.listening.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(LIMIT)
        for connection in self.kept:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.kept.append(connection)
            if self.answer is not None:
                connection.recv(65536)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.answer)}\r\n\r\n"
                connection.sendall(head.encode() + self.answer)


@pytest.mark.parametrize(("api", "words"), [(wire.API_VERSION + 1, "pip install"), (0, "fireside server stop")])
def test_a_server_of_another_api_is_refused_with_both_versions(settings: Settings, api: int, words: str) -> None:
    answer = wire.Version(version="9.9.9", api=api, pid=1, installation="i").model_dump_json().encode()
    with Impostor(settings, answer), pytest.raises(VersionMismatch) as caught:
        launch.ensure_server(settings)
    assert "9.9.9" in caught.value.message
    assert f"API {wire.API_VERSION}" in caught.value.message
    assert words in (caught.value.hint or "")
    assert "fireside server stop" in (caught.value.hint or "")


def test_another_version_of_the_same_api_is_welcome(settings: Settings) -> None:
    answer = wire.Version(version="9.9.9", api=wire.API_VERSION, pid=1, installation="i").model_dump_json().encode()
    with Impostor(settings, answer) as server:
        assert launch.ensure_server(settings) == server.meeting.socket


def test_a_server_that_hangs_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireside.client.operations.HANDSHAKE_PATIENCE", 0.2)
    with Impostor(settings, None) as server:
        server.meeting.lock.write_text("4711\n")
        with pytest.raises(TimedOut, match="4711") as caught:
            launch.ensure_server(settings)
    assert "kill 4711" in (caught.value.hint or "")


def test_without_a_starter_nobody_answers_any_more(settings: Settings) -> None:
    path = launch.ensure_server(settings)
    launch.stop_server(settings, timeout=LIMIT)
    with pytest.raises(Unavailable, match=str(path)):
        Client(path).version()
