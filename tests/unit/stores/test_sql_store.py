"""Opening a store: files and rights, what is no store, and what a lost or older one means."""

# ruff: noqa: ASYNC221, ASYNC240 - a test has nothing else to do while it waits for the disk

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fireside.errors import FiresideError, Refused, Unavailable, VersionMismatch
from fireside.stores import marker, sqlite
from fireside.stores.sql import SqlStore
from fireside.stores.tables import REVISION
from fireside.testing.store_contract import sample_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "fireside.db"


async def filled(path: Path, *names: str) -> str:
    """Make a store with these clusters; return its installation's id."""
    async with await SqlStore.open(path) as store:
        for name in names:
            await store.create(sample_record(name))
        return (await store.installation()).id


async def held(path: Path) -> str | None:
    async with await SqlStore.open(path) as store:
        return (await store.installation()).sweep_held


# -------------------------------------------------------------------------------------- files and rights


async def test_directory_and_files_are_their_owners_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        async with await SqlStore.open(path) as store:
            await store.create(sample_record())
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes) == {"fireside.db", "fireside.db-wal", "fireside.db-shm", "installation.json"}
    assert set(modes.values()) == {0o600}


async def test_a_database_that_others_could_read_is_closed_to_them(path: Path) -> None:
    await filled(path, "a")
    path.chmod(0o644)
    await filled(path)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_opening_a_store_again_does_not_load_alembic(path: Path) -> None:
    await filled(path, "a")
    code = (
        "import asyncio, sys, pathlib; from fireside.stores.sql import SqlStore;"
        "asyncio.run(asyncio.run(SqlStore.open(pathlib.Path(sys.argv[1]))).close());"
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


async def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%20é" / "fire side.db"
    await filled(path, "a")
    assert path.stat().st_size > 0


async def test_two_that_open_a_new_store_at_once_make_one(path: Path) -> None:
    stores = await asyncio.gather(*(SqlStore.open(path) for _ in range(4)))
    assert len({(await store.installation()).id for store in stores}) == 1
    for store in stores:
        await store.close()
    assert await held(path) is None


# --------------------------------------------------------------------------------- what cannot be opened


async def refusal(path: Path, kind: type[FiresideError] = Refused) -> FiresideError:
    """Open what cannot be opened; return the error, which names the file and says what to do."""
    with pytest.raises(kind) as caught:
        await SqlStore.open(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("my thesis")
    assert "not a SQLite database" in (await refusal(path)).message
    assert path.read_text() == "my thesis"
    assert not (path.parent / marker.NAME).exists()


async def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    assert "bookmarks" in (await refusal(path)).message
    assert not (path.parent / marker.NAME).exists()


@pytest.mark.parametrize("damage", ["cut", "scribbled"])
async def test_a_damaged_database_is_refused(damage: str, path: Path) -> None:
    await filled(path, *(f"cluster-{number}" for number in range(30)))
    content = path.read_bytes()
    path.write_bytes(
        content[: len(content) // 2] if damage == "cut" else content[:4096] + b"\xff" * (len(content) - 4096)
    )
    assert "damaged" in (await refusal(path)).message


async def test_a_store_of_a_newer_fireside_is_refused_naming_both_revisions(path: Path) -> None:
    await filled(path, "a")
    database = sqlite3.connect(path)
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    error = await refusal(path, VersionMismatch)
    assert (error.found, error.allowed) == ("9999", REVISION)


async def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    await refusal(tmp_path / "home" / "fireside.db")


@pytest.fixture
def read_only_home() -> Iterator[Path]:
    """Return a directory that may not be written to, root included: root becomes somebody else for the time."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield directory
    os.seteuid(user)
    directory.chmod(0o700)
    shutil.rmtree(directory)


async def test_a_read_only_home_is_refused_with_the_cause(read_only_home: Path) -> None:
    assert "Permission denied" in (await refusal(read_only_home / "fireside.db")).message


async def test_a_locked_store_is_unavailable_and_then_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    async with await SqlStore.open(path) as store:
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await store.check()
        await refusal(path, Unavailable)
        other.close()
        await store.check()


async def test_a_store_whose_file_was_removed_acknowledges_nothing_more(path: Path) -> None:
    async with await SqlStore.open(path) as store:
        path.unlink()
        with pytest.raises(Refused, match="removed or replaced"):
            await store.create(sample_record())


async def test_a_closed_store_says_so(path: Path) -> None:
    store = await SqlStore.open(path)
    await store.close()
    await store.close()
    with pytest.raises(Unavailable):
        await store.list_clusters()
    with pytest.raises(Unavailable):
        await store.check()


# ------------------------------------------------------------------------------- lost and older stores


def remove_database(path: Path) -> None:
    for file in path.parent.glob("fireside.db*"):
        file.unlink()


async def test_a_lost_store_keeps_its_id_and_sweeps_nothing_until_told_to(path: Path) -> None:
    first = await filled(path, "a", "b")
    remove_database(path)
    for _ in range(2):  # it lasts
        assert "the store is new but the installation is not" in (await held(path) or "")
    async with await SqlStore.open(path) as store:
        assert (await store.installation()).id == first
        await store.release_sweep()
    assert await held(path) is None


async def test_a_store_that_was_lost_before_it_had_anything_holds_nothing(path: Path) -> None:
    first = await filled(path)
    remove_database(path)
    assert await held(path) is None
    assert await filled(path) == first


async def test_a_restored_store_sweeps_nothing_until_told_to(path: Path, tmp_path: Path) -> None:
    await filled(path, "a")
    shutil.copy(path, tmp_path / "backup")
    await filled(path, "b")
    shutil.copy(tmp_path / "backup", path)
    assert "restored" in (await held(path) or "")
    await filled(path, "c")
    async with await SqlStore.open(path) as store:
        assert (await store.installation()).sweep_held
        await store.release_sweep()
    assert await held(path) is None


async def test_a_database_that_came_without_its_marker_holds_the_sweep(path: Path, tmp_path: Path) -> None:
    first = await filled(path, "a")
    elsewhere = tmp_path / "elsewhere" / "fireside.db"
    elsewhere.parent.mkdir()
    shutil.copy(path, elsewhere)
    assert await held(elsewhere)
    assert await filled(elsewhere) == first


async def test_a_database_of_another_installation_is_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "fireside.db"
    ours, theirs = await filled(path, "a"), await filled(other, "a")
    shutil.copy(other, path)
    with pytest.raises(Refused, match=f"{theirs}.*{ours}"):
        await SqlStore.open(path)


async def test_a_copied_home_is_refused_because_both_would_sweep_the_other(path: Path, tmp_path: Path) -> None:
    await filled(path, "a")
    shutil.copytree(path.parent, tmp_path / "copy")
    with pytest.raises(Refused, match=f"copy of the one in {path.parent}"):
        await SqlStore.open(tmp_path / "copy" / "fireside.db")


async def test_a_moved_home_goes_on_as_before(path: Path, tmp_path: Path) -> None:
    first = await filled(path, "a")
    path.parent.rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "fireside.db"
    assert await held(moved) is None
    assert await filled(moved, "b") == first
