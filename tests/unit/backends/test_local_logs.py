"""What nodes wrote: read, followed, rotated, kept."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path

import pytest

from fireside.backends.local import LocalBackend, logs
from fireside.backends.local.layout import ClusterFiles
from fireside.settings import Settings


@pytest.fixture
def cluster(tmp_path: Path) -> ClusterFiles:
    (tmp_path / "logs").mkdir()
    return ClusterFiles(tmp_path)


def append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


async def lines(cluster: ClusterFiles, node: str | None = None, tail: int | None = None) -> list[tuple[str, str, str]]:
    return [(line.node, line.source, line.text) async for line in logs.read(cluster, node, follow=False, tail=tail)]


async def test_daemons_come_first_and_executors_say_which_they_are(cluster: ClusterFiles) -> None:
    append(cluster.node("worker-1").work / "app-1" / "0" / "stderr", "from a function\n")
    append(cluster.node("worker-1").log, "started\nno end of line")
    append(cluster.node("master").log, "alive\n")
    assert await lines(cluster) == [
        ("master", "daemon", "alive"),
        ("worker-1", "daemon", "started"),
        ("worker-1", "app-1/0 stderr", "from a function"),
        ("worker-1", "daemon", "no end of line"),
    ]
    assert await lines(cluster, "master") == [("master", "daemon", "alive")]
    assert await lines(cluster, "worker-9") == []


async def test_a_tail_bounds_each_source_and_reaches_back_over_rotations(cluster: ClusterFiles) -> None:
    log = cluster.node("master").log
    append(log.with_name("master.log.2"), "1\n2\n")
    append(log.with_name("master.log.1"), "3\n4\n")
    append(log, "5\n")
    assert [text for _, _, text in await lines(cluster)] == ["1", "2", "3", "4", "5"]
    assert [text for _, _, text in await lines(cluster, tail=4)] == ["2", "3", "4", "5"]
    assert [text for _, _, text in await lines(cluster, tail=1)] == ["5"]
    assert await lines(cluster, tail=0) == []


async def test_following_sees_new_lines_new_sources_and_goes_on_after_a_rotation(cluster: ClusterFiles) -> None:
    log = cluster.node("worker-1").log
    append(log, "old\n")
    seen: list[str] = []
    following = logs.read(cluster, None, follow=True, tail=None)

    async def until(text: str) -> None:
        async with asyncio.timeout(10):
            async for line in following:
                seen.append(line.text)
                if line.text == text:
                    return

    await until("old")
    append(log, "half")
    append(log, " line\n")
    append(log, "new\n")
    await until("new")
    append(log, "before the rotation\n")
    logs.rotate(cluster, size=1, keep=2)
    append(log, "x\n")
    append(cluster.node("worker-1").work / "app-1" / "0" / "stdout", "printed\n")
    await until("printed")
    assert seen[-3:] == ["before the rotation", "x", "printed"]
    assert seen[:3] == ["old", "half line", "new"]
    await following.aclose()  # type: ignore[attr-defined]


def test_a_log_that_outgrew_its_size_is_copied_away_and_its_writer_goes_on(cluster: ClusterFiles) -> None:
    log = cluster.node("master").log
    with log.open("ab", buffering=0) as writer:
        for number in range(5):
            writer.write(f"{number}".encode() * 20 + b"\n")
            logs.rotate(cluster, size=10, keep=2)
        writer.write(b"tail\n")
    assert log.read_text() == "tail\n"
    assert [copy.name for copy in logs.rotations(log)] == ["master.log.1", "master.log.2"]
    assert log.with_name("master.log.1").read_text() == "4" * 20 + "\n"
    assert log.with_name("master.log.1").stat().st_mode & 0o777 == 0o600


async def test_executors_logs_outlive_their_node_and_only_the_newest_are_kept(cluster: ClusterFiles) -> None:
    node = cluster.node("worker-1")
    for number in range(25):
        append(node.work / "app-1" / str(number) / "stderr", f"{number}\n")
    logs.keep_executor_logs(node)
    logs.keep_executor_logs(node)
    assert len(list(node.kept_logs.glob("app-1/*"))) == 20
    assert not list(node.work.glob("app-*/*/stderr"))
    assert len(await lines(cluster, "worker-1")) == 20


def test_last_words_are_those_of_this_start(cluster: ClusterFiles) -> None:
    log = cluster.node("master").log
    append(log, f"{logs.begin_marker('master', 'i1')}\nfirst\n{logs.begin_marker('master', 'i2')}\nsecond\n")
    assert logs.last_words(log, "i2") == "second\n"
    assert logs.last_words(log, "i3") == ""
    assert logs.last_words(cluster.node("worker-1").log, "i1") == ""
    append(log, "x" * 20_000)
    assert len(logs.last_words(log, "i2", limit=1000)) == 1000


async def test_looks_that_overlap_do_not_rotate_one_log_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend(Settings(home=tmp_path), "ours", environment={})
    (tmp_path / "clusters" / "one" / "nodes").mkdir(parents=True)
    both = threading.Barrier(2)
    met: list[bool] = []

    def rotate(_cluster: ClusterFiles, **_limits: int) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):  # nobody else came
            both.wait(timeout=0.1)
            met.append(True)

    monkeypatch.setattr(logs, "rotate", rotate)
    await asyncio.gather(backend.observe("one"), backend.observe())
    assert not met
