"""A SQLite database as a store: how its file is made, opened, checked and brought to the newest tables.

Write-ahead log, because readers then never wait for the writer. `synchronous=FULL`, because a change is acknowledged
only when it would survive a power cut. Transactions are begun by us and not by Python's driver, whose own rules
would leave savepoints and table changes outside of them.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.pool import QueuePool

from fireside.errors import Refused, VersionMismatch
from fireside.stores.faults import RESTORE
from fireside.stores.tables import REVISION

_BUSY_SECONDS = 5
_MAGIC = b"SQLite format 3\0"


def prepare(path: Path) -> None:
    """Make directory (0700) and file (0600); its log files get the same mode from SQLite. Raises OSError, Refused."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        beginning = os.read(descriptor, len(_MAGIC))
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    if beginning not in {b"", _MAGIC}:
        raise Refused(
            f"The store {path} cannot be used: it is not a SQLite database.",
            found=str(path),
            hint=RESTORE,
        )
    if not beginning:
        _sync(path.parent)


def _sync(directory: Path) -> None:
    """Make a new name in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def writing(path: Path) -> Engine:
    """Return the engine of the one connection that writes. Each transaction takes the write lock at once."""
    engine = _engine(path, connections=1, pragmas=("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON"))
    event.listen(engine, "begin", _begin)
    return engine


def reading(path: Path, *, connections: int) -> Engine:
    """Return an engine that cannot write. Each statement is a transaction of its own."""
    return _engine(path, connections=connections, pragmas=("query_only=ON",))


def _begin(db: Connection) -> None:
    # Not DEFERRED: a transaction that reads first and then wants the lock may find that it cannot have it.
    db.exec_driver_sql("BEGIN IMMEDIATE")


def _engine(path: Path, *, connections: int, pragmas: tuple[str, ...]) -> Engine:
    # The address is made with `creator`, because a path may hold any character that means something in a URL.
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for pragma in (*pragmas, "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=connections, max_overflow=0)


def migrate(db: Connection, path: Path) -> None:
    """Bring the tables to the newest revision, inside the caller's transaction.

    Raises VersionMismatch for a database of a newer Fireside, Refused for one of another program or a damaged one.
    """
    damage = db.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if damage != "ok":
        raise Refused(
            f"The store {path} cannot be used: its content is damaged ({damage}).", found=str(path), hint=RESTORE
        )
    revision = _revision(db, path)
    if revision != REVISION:
        _upgrade(db, path, revision)


def _revision(db: Connection, path: Path) -> str | None:
    """Return the revision that a database is at, or None for an empty one. Raises Refused for any other."""
    names = set(inspect(db).get_table_names())
    if "alembic_version" in names:
        return db.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    if names:
        raise Refused(
            f"The store {path} cannot be used: it is the database of another program (it has tables "
            f"{', '.join(sorted(names)[:3])}).",
            found=str(path),
            hint="Move it away, or choose another directory with FIRESIDE_HOME.",
        )
    return None


def _upgrade(db: Connection, path: Path, revision: str | None) -> None:
    # alembic is slow to load, and needed only when there is something to do.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "fireside.stores:migrations")
    config.set_main_option("version_path_separator", "os")
    config.attributes["connection"] = db
    if revision is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(revision)
        except CommandError as error:
            raise VersionMismatch(
                f"The store {path} was written by a newer Fireside: its tables are at revision {revision}, "
                f"this version knows them up to {REVISION}.",
                found=revision,
                allowed=REVISION,
                hint="Upgrade this one: pip install --upgrade fireside",
            ) from error
    command.upgrade(config, "head")
