"""Group commit: many changes, few transactions, and each fails or succeeds for itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from fireside.errors import Conflict, Unavailable
from fireside.stores import sqlite
from fireside.stores.writer import BATCH, Writer

Commits = list[int]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = sqlite.writing(tmp_path / "numbers.db")
    with engine.connect() as db, db.begin():
        db.exec_driver_sql("CREATE TABLE numbers (n INTEGER PRIMARY KEY CHECK (n < 1000))")
    return engine


@pytest.fixture
def commits(engine: Engine) -> Commits:
    seen: Commits = []
    event.listen(engine, "commit", lambda _: seen.append(threading.get_ident()))
    return seen


@pytest.fixture
async def writer(engine: Engine) -> AsyncIterator[Writer]:
    writer = Writer(engine, before_commit=lambda _: lambda: None)
    yield writer
    await writer.close()
    engine.dispose()


def put(number: int, *, then: Exception | None = None) -> Callable[[Connection], int]:
    def work(db: Connection) -> int:
        db.exec_driver_sql("INSERT INTO numbers VALUES (?)", (number,))
        if then is not None:
            raise then
        return number

    return work


def numbers(engine: Engine) -> list[int]:
    with engine.connect() as db:
        return [row[0] for row in db.exec_driver_sql("SELECT n FROM numbers ORDER BY n")]


async def all_of(writer: Writer, *works: Callable[[Connection], int]) -> list[Any]:
    return await asyncio.gather(*(writer.run(work) for work in works), return_exceptions=True)


async def test_a_hundred_changes_at_once_need_few_commits_outside_the_event_loop(
    writer: Writer, engine: Engine, commits: Commits
) -> None:
    assert await all_of(writer, *map(put, range(100))) == list(range(100))
    assert numbers(engine) == list(range(100))
    assert len(commits) <= 2
    assert threading.get_ident() not in commits


async def test_a_change_that_refuses_is_undone_alone(writer: Writer, engine: Engine, commits: Commits) -> None:
    refusal = Conflict("no")
    outcomes = await all_of(writer, put(1), put(2), put(3, then=refusal), put(4))
    assert outcomes == [1, 2, refusal, 4]
    assert numbers(engine) == [1, 2, 4]
    assert len(commits) == 2  # the first alone, those that came meanwhile together


async def test_a_fault_nobody_foresaw_fails_alone_and_in_order(writer: Writer, engine: Engine) -> None:
    bug = ZeroDivisionError()
    outcomes = await all_of(writer, put(1), put(2), put(3, then=bug), put(2000), put(2), put(4))
    assert outcomes[:3] == [1, 2, bug]
    assert [type(outcome).__name__ for outcome in outcomes[3:]] == ["IntegrityError", "IntegrityError", "int"]
    assert numbers(engine) == [1, 2, 4]


async def test_a_cancelled_caller_disturbs_nobody(writer: Writer, engine: Engine) -> None:
    tasks = [asyncio.create_task(writer.run(put(number))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert (outcomes[0], outcomes[2]) == (0, 2)
    assert {0, 2} <= set(numbers(engine))


async def test_more_changes_than_one_batch_holds_are_all_made(writer: Writer, engine: Engine) -> None:
    await all_of(writer, *map(put, range(2 * BATCH + 7)))
    assert len(numbers(engine)) == 2 * BATCH + 7


async def test_closing_finishes_what_was_asked_for_and_takes_nothing_more(writer: Writer, engine: Engine) -> None:
    asked = [asyncio.create_task(writer.run(put(number))) for number in range(5)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*asked) == list(range(5))
    with pytest.raises(Unavailable):
        await writer.run(put(6))


async def test_nobody_is_answered_before_the_commit(engine: Engine) -> None:
    order: list[str] = []
    writer = Writer(engine, before_commit=lambda _: lambda: order.append("after commit"))
    event.listen(engine, "commit", lambda _: order.append("commit"))
    await writer.run(put(1))
    order.append("answer")
    await writer.close()
    engine.dispose()
    assert order == ["commit", "after commit", "answer"]
