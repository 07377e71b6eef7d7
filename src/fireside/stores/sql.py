"""The store that servers use: records in a SQL database, SQLite for now.

Nothing here blocks the event loop: changes go through one :class:`~fireside.stores.writer.Writer`, reads through a
few threads with connections of their own that see every acknowledged change. The statements are in
:mod:`fireside.stores.statements`, the file in :mod:`fireside.stores.sqlite`, and what a lost or older database
means in :mod:`fireside.stores.marker`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.exc import DBAPIError

from fireside.errors import Refused, Unavailable
from fireside.model.state import ClusterStatus, EventKind
from fireside.ports import ClusterRecord, Event, Installation, Lease, Step, StepKind
from fireside.stores import marker, sqlite, statements
from fireside.stores.faults import explain, explain_os
from fireside.stores.marker import Mark
from fireside.stores.tables import installation
from fireside.stores.writer import Writer

T = TypeVar("T")
FileId = tuple[int, int]
_READERS = 3
_log = logging.getLogger(__name__)


class SqlStore:
    """Records in a database file. Make one with :meth:`open`; close it, or use it in `async with`."""

    def __init__(self, path: Path, engine: Engine, mark: Mark, *, file: FileId | None) -> None:
        self._path = path
        self._engine = engine
        self._mark = mark
        self._file = file
        self._writer = Writer(engine, before_commit=self._before_commit)
        self._read_engine = sqlite.reading(path, connections=_READERS)
        self._readers = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="store-reader")
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> SqlStore:
        """Open the database at `path`, made when it is missing, and bring its tables to the newest revision.

        Raises Refused, naming the file and what to do, for what is no store, damaged, mixed up or not writable;
        VersionMismatch for a store of a newer Fireside; Unavailable while another process keeps it locked.
        """
        return await asyncio.to_thread(cls._open, path)

    @classmethod
    def _open(cls, path: Path) -> SqlStore:
        path = path.absolute()
        try:
            sqlite.prepare(path)
            engine = sqlite.writing(path)
            try:
                with engine.connect() as db, db.begin():
                    sqlite.migrate(db, path)
                with engine.connect() as db:
                    mark = _identify(db, path.parent.resolve())
            except BaseException:
                engine.dispose()
                raise
        except OSError as error:
            raise explain_os(error, path) from error
        except (DBAPIError, sqlite3.Error) as error:
            raise explain(error, path) from error
        return cls(path, engine, mark, file=_file_id(path))

    async def __aenter__(self) -> SqlStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def installation(self) -> Installation:
        """Return the identity of this installation, and why nothing may be swept, if so."""
        return await self._read(statements.read_installation)

    async def release_sweep(self) -> None:
        """Allow sweeping again after it was held."""
        await self._write(statements.release_sweep)

    async def create(self, record: ClusterRecord, *, idempotency_key: str | None = None) -> tuple[ClusterRecord, bool]:
        """Insert a cluster, or return the one that is there."""
        return await self._write(lambda db: statements.create(db, record, idempotency_key))

    async def get(self, cluster_id: str) -> ClusterRecord:
        """Return a cluster. Raises NotFound."""
        return await self._read(lambda db: statements.get(db, cluster_id))

    async def find(self, owner: str, name: str) -> ClusterRecord | None:
        """Return the cluster with this alias, or None."""
        return await self._read(lambda db: statements.find(db, owner, name))

    async def list_clusters(self, owner: str | None = None) -> Sequence[ClusterRecord]:
        """Return clusters by name; of every owner when None."""
        return await self._read(lambda db: statements.list_clusters(db, owner))

    async def replace(self, record: ClusterRecord, *, expected_generation: int) -> ClusterRecord:
        """Store what the owner wants now. Raises Conflict, NotFound."""
        return await self._write(lambda db: statements.replace(db, record, expected_generation))

    async def set_status(self, cluster_id: str, status: ClusterStatus, *, fence: Lease | None = None) -> None:
        """Store what the engine saw. Raises Conflict, NotFound."""
        await self._write(lambda db: statements.set_status(db, cluster_id, status, fence))

    async def forget(self, cluster_id: str) -> None:
        """Delete a cluster's record, steps and events."""
        await self._write(lambda db: statements.forget(db, cluster_id))

    async def add_events(
        self, cluster_id: str, events: Sequence[tuple[datetime, EventKind, str | None, str]]
    ) -> Sequence[Event]:
        """Append (at, kind, node, message). Raises NotFound."""
        return await self._write(lambda db: statements.add_events(db, cluster_id, events))

    async def events(self, cluster_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Return events with `seq` above `after`, oldest first."""
        return await self._read(lambda db: statements.read_events(db, cluster_id, after, limit))

    async def begin_step(self, cluster_id: str, generation: int, kind: StepKind, subject: str, at: datetime) -> Step:
        """Record a step that is about to be taken. Raises NotFound."""
        return await self._write(lambda db: statements.begin_step(db, cluster_id, generation, kind, subject, at))

    async def end_step(self, step_id: int, at: datetime, outcome: str) -> None:
        """Record how a step ended."""
        await self._write(lambda db: statements.end_step(db, step_id, at, outcome))

    async def open_steps(self, cluster_id: str) -> Sequence[Step]:
        """Return the steps whose end is not recorded."""
        return await self._read(lambda db: statements.open_steps(db, cluster_id))

    async def acquire(self, name: str, holder: str, now: datetime, seconds: float) -> Lease | None:
        """Take or renew a lease; None while somebody else holds it."""
        return await self._write(lambda db: statements.acquire(db, name, holder, now, seconds))

    async def release(self, lease: Lease) -> None:
        """Give a lease back; no error when it is lost already."""
        await self._write(lambda db: statements.release(db, lease))

    async def check(self) -> None:
        """Write something that changes nothing. Raises Unavailable or Refused, naming the cause."""
        await self._write(statements.touch)

    async def close(self) -> None:
        """Finish what was asked for, then release connections and files. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        self._readers.shutdown(wait=False)
        await asyncio.to_thread(self._dispose)

    def _dispose(self) -> None:
        self._readers.shutdown(wait=True)
        self._read_engine.dispose()
        self._engine.dispose()  # the last one to close folds the log into the database

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            result: T = await self._writer.run(work)
        except DBAPIError as error:
            raise explain(error, self._path) from error
        return result

    async def _read(self, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise Unavailable("The store is closed.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, work)
        except DBAPIError as error:
            raise explain(error, self._path) from error

    def _look(self, work: Callable[[Connection], T]) -> T:
        with self._read_engine.connect() as db:
            return work(db)

    def _before_commit(self, db: Connection) -> Callable[[], None]:
        """Refuse to write into a file that is not there any more; return what keeps the marker up to date."""
        if _file_id(self._path) != self._file:
            raise Refused(
                f"The store {self._path} was removed or replaced while it was in use; nothing is written any more.",
                found=str(self._path),
                hint="Put it back or restore a backup, then restart the server: fireside server stop",
            )
        changes = statements.count_changes(db)
        return lambda: self._keep_mark(changes)

    def _keep_mark(self, changes: int) -> None:
        """Let the marker know of changes that are durable by now."""
        if changes == self._mark.changes:
            return
        mark = Mark(self._mark.installation, changes, self._mark.directory)
        try:
            marker.write(Path(mark.directory), mark)
        except OSError as error:
            # The change itself is safe, and the next one writes the marker again: only a restore between is missed.
            _log.warning("The marker beside %s cannot be written: %s.", self._path, error)
            return
        self._mark = mark


def _identify(db: Connection, directory: Path) -> Mark:
    """Settle which installation this is, in the database and in the marker; see `marker` for what is compared."""
    with db.begin():
        row = db.execute(installation.select()).first()
        found = None if row is None else (str(row.id), int(row.changes))
        old = marker.read(directory)
        verdict = marker.judge(found, old, copied_from=marker.origin(old, directory))
        mark = Mark(verdict.installation or secrets.token_hex(8), verdict.changes, str(directory))
        if found is None:
            # The marker first: one without changes holds nothing, should we end right here.
            if old is None:
                marker.write(directory, mark)
            db.execute(insert(installation).values(one=1, id=mark.installation, changes=mark.changes))
        if verdict.held is not None:
            db.execute(update(installation).values(changes=mark.changes, sweep_held=verdict.held))
    if mark != old:
        marker.write(directory, mark)
    return mark


def _file_id(path: Path) -> FileId | None:
    """Return what tells a file from another one that takes its place; None when it is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino)
