"""What a store acknowledged survives a kill at any moment and a disk without room."""

# ruff: noqa: ASYNC221 - a test has nothing else to do while it waits for the disk

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fireside.errors import Refused
from fireside.model.state import EventKind
from fireside.stores.sql import SqlStore
from fireside.testing.store_contract import NOW, sample_record

_WRITING = """
import asyncio, sys
from pathlib import Path
from fireside.model.state import EventKind
from fireside.stores.sql import SqlStore
from fireside.testing.store_contract import NOW, sample_record

async def write(store, lane):
    for number in range(10_000):
        record, _ = await store.create(sample_record(f"{lane}-{number}"))
        print("created", record.id, flush=True)
        for _ in range(3):
            (event,) = await store.add_events(record.id, [(NOW, EventKind.NOTE, None, "x" * 200)])
            print("told", record.id, event.seq, flush=True)
        if number % 3 == 2:
            await store.forget(record.id)
            print("forgotten", record.id, flush=True)

async def main():
    store = await SqlStore.open(Path(sys.argv[1]))
    await asyncio.gather(*(write(store, lane) for lane in sys.argv[2].split(",")))

asyncio.run(main())
"""


def _killed_while_writing(path: Path, lanes: str, after: int) -> list[list[str]]:
    """Start a process that writes, kill it once it acknowledged `after` changes; return what it acknowledged."""
    with subprocess.Popen([sys.executable, "-c", _WRITING, path, lanes], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(after)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    assert all(lines[:after]), "the child ended by itself"
    # The last line may be cut off: then it was not acknowledged.
    return [line.split() for line in lines if line.endswith("\n")]


def _integrity(path: Path) -> str:
    database = sqlite3.connect(path)
    try:
        return str(database.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        database.close()


async def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "home" / "fireside.db"
    chance = random.Random(3)
    acknowledged: list[list[str]] = []
    for turn in range(4):
        lanes = ",".join(f"{turn}{letter}" for letter in "abcdefghij")
        acknowledged += _killed_while_writing(path, lanes, after=chance.randint(20, 400))
    assert _integrity(path) == "ok"
    created = {words[1] for words in acknowledged if words[0] == "created"}
    forgotten = {words[1] for words in acknowledged if words[0] == "forgotten"}
    told = {(words[1], int(words[2])) for words in acknowledged if words[0] == "told"}
    async with await SqlStore.open(path) as store:
        assert (await store.installation()).sweep_held is None
        there = {record.id for record in await store.list_clusters()}
        assert not forgotten & there
        # What is missing without a word can only be a delete that was durable before it could be acknowledged.
        missing = created - forgotten - there
        assert len(missing) <= 10 * 4
        assert all((cluster, 3) in told for cluster in missing)
        for cluster in there:
            seqs = [event.seq for event in await store.events(cluster)]
            assert seqs == list(range(1, len(seqs) + 1))
            assert {seq for of, seq in told if of == cluster} <= set(seqs)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a file system of 2 MiB of its own; making one takes rights that not everybody has."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m,mode=700", "fireside-test", directory], capture_output=True, check=False
    )
    if not made or made.returncode != 0:
        pytest.skip("no right to mount a small file system here")
    yield directory
    subprocess.run(["umount", directory], check=True)


async def _fill(store: SqlStore) -> tuple[set[str], Refused]:
    """Write ten at a time until the store refuses; return what it acknowledged, and the refusal."""
    acknowledged: set[str] = set()
    for turn in range(10_000):
        outcomes = await asyncio.gather(
            *(store.create(sample_record(f"{turn}-{number}")) for number in range(10)), return_exceptions=True
        )
        acknowledged |= {outcome[0].id for outcome in outcomes if not isinstance(outcome, BaseException)}
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, Refused), outcome
                return acknowledged, outcome
    raise AssertionError("the disk never filled up")


async def test_a_full_disk_is_named_and_loses_nothing_and_is_got_over(small_disk: Path) -> None:
    path = small_disk / "home" / "fireside.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1024 * 1024)
    async with await SqlStore.open(path) as store:
        acknowledged, refusal = await _fill(store)
        assert "no room" in refusal.message
        assert str(path) in refusal.message
        assert refusal.hint == "Free disk space."
        there = {record.id for record in await store.list_clusters()}
        assert acknowledged == there, "what was refused is not there, what was acknowledged is"
        ballast.unlink()
        await store.check()
        await store.add_events(min(there), [(NOW, EventKind.NOTE, None, "room again")])
    assert _integrity(path) == "ok"
    async with await SqlStore.open(path) as store:
        assert {record.id for record in await store.list_clusters()} == acknowledged
        assert (await store.installation()).sweep_held is None


async def test_a_disk_that_is_full_from_the_start_is_refused_and_later_begins_cleanly(small_disk: Path) -> None:
    path = small_disk / "home" / "fireside.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * shutil.disk_usage(small_disk).free)
    with pytest.raises(Refused) as caught:
        await SqlStore.open(path)
    assert str(path) in caught.value.message
    ballast.unlink()
    async with await SqlStore.open(path) as store:
        assert (await store.installation()).sweep_held is None
        await store.create(sample_record())


_LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from fireside.errors import Refused
from fireside.stores.sql import SqlStore
from fireside.testing.store_contract import sample_record

async def main():
    async with await SqlStore.open(Path(sys.argv[1])) as store:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, limit[1]))
        try:
            for number in range(10_000):
                await store.create(sample_record(str(number)))
                made = number
        except Refused as error:
            print(error.message)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert len(await store.list_clusters()) == made + 1
        await store.create(sample_record("room again"))
        print("made", made + 2)

asyncio.run(main())
"""


async def test_a_limit_on_file_size_is_got_over_by_the_same_process(tmp_path: Path) -> None:
    path = tmp_path / "home" / "fireside.db"
    done = subprocess.run([sys.executable, "-c", _LIMITED, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    message, made = done.stdout.splitlines()
    assert "no room" in message
    async with await SqlStore.open(path) as store:
        assert len(await store.list_clusters()) == int(made.split()[1])
    assert _integrity(path) == "ok"
