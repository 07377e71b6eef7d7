"""One writer: many changes, one thread, few waits for the disk.

Waiting until a change is durable takes milliseconds, however small the change is. So the writer takes everything that
was asked for while it was busy, runs each piece of work in a savepoint of its own, commits once, and only then
answers them all (group commit). Work that refuses (Conflict, NotFound) is undone alone. When the database fails, or
work fails in a way that nobody foresaw, the whole batch is undone and each piece is done again by itself, so that
only those fail that have a reason to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

from fireside.errors import FiresideError, Unavailable

Work = Callable[[Connection], Any]
BATCH = 256
"""Pieces of work in one transaction at most: bounds how long the first one waits."""


@dataclass(frozen=True, slots=True)
class _Asked:
    work: Work
    answer: asyncio.Future[Any]


class Writer:
    """Runs work in transactions, in the order in which it was asked for. Belongs to one event loop."""

    def __init__(
        self,
        engine: Engine,
        *,
        before_commit: Callable[[Connection], Callable[[], None]],
    ) -> None:
        """Take the engine of the one writing connection.

        `before_commit` is called in the thread at the end of each transaction, and what it returns right after the
        commit, before anybody is answered.
        """
        self._engine = engine
        self._before_commit = before_commit
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._waiting: deque[_Asked] = deque()
        self._alone: deque[_Asked] = deque()
        self._busy: asyncio.Future[list[Any]] | None = None
        self._closed = False

    async def run(self, work: Work) -> Any:
        """Return what `work` returns, once that is durable; raise what it raises.

        A caller who is cancelled does not know whether the change was made.
        """
        if self._closed:
            raise Unavailable("The store is closed.")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(work, answer))
        self._start()
        return await answer

    async def close(self) -> None:
        """Finish what was asked for, then end the thread."""
        self._closed = True
        while self._busy is not None:
            await asyncio.wait([self._busy])
        self._thread.shutdown(wait=False)

    def _start(self) -> None:
        """Hand the next batch to the thread, unless it is busy."""
        if self._busy is not None:
            return
        batch = self._next()
        if not batch:
            return
        loop = asyncio.get_running_loop()
        self._busy = loop.run_in_executor(self._thread, self._commit, [asked.work for asked in batch])
        self._busy.add_done_callback(lambda done: self._finish(batch, done))

    def _next(self) -> list[_Asked]:
        if self._alone:
            return [self._alone.popleft()]
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]

    def _finish(self, batch: Sequence[_Asked], done: asyncio.Future[list[Any]]) -> None:
        self._busy = None
        error = done.exception()
        if error is None:
            for asked, outcome in zip(batch, done.result(), strict=True):
                _answer(asked.answer, outcome)
        elif len(batch) == 1:
            _answer(batch[0].answer, error)
        else:
            self._alone.extend(batch)
        self._start()

    def _commit(self, batch: Sequence[Work]) -> list[Any]:
        """Run a batch in one transaction; in the place of a result there may be the error that refused it."""
        with self._engine.connect() as db, db.begin():
            outcomes = [_attempt(db, work) for work in batch]
            afterwards = self._before_commit(db)
        afterwards()
        return outcomes


def _attempt(db: Connection, work: Work) -> Any:
    """Run work in a savepoint; return the refusal in the place of a result. Other errors end the transaction."""
    # Not `begin_nested`: its bookkeeping costs more than most of the work.
    db.exec_driver_sql("SAVEPOINT work")
    try:
        outcome = work(db)
    except FiresideError as refusal:
        db.exec_driver_sql("ROLLBACK TO SAVEPOINT work")
        outcome = refusal
    db.exec_driver_sql("RELEASE SAVEPOINT work")
    return outcome


def _answer(answer: asyncio.Future[Any], outcome: Any) -> None:
    if answer.done():  # its caller was cancelled
        return
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
