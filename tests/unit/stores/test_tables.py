"""The tables in the code and those that the migrations make are the same, and keep what they can by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, insert, inspect, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.schema import CreateTable

from fireside.stores import migrations, sqlite
from fireside.stores.tables import REVISION, installation, keys, leases, metadata


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    path = tmp_path / "fireside.db"
    engine = sqlite.writing(path)
    with engine.connect() as connection, connection.begin() as transaction:
        sqlite.migrate(connection, path)
        yield connection
        transaction.rollback()
    engine.dispose()


def test_the_migrations_make_the_tables_of_the_code(db: Connection) -> None:
    assert compare_metadata(MigrationContext.configure(db), metadata) == []


def test_the_migrations_make_the_constraints_of_the_code(db: Connection) -> None:
    straight = create_engine("sqlite://")
    metadata.create_all(straight)
    made, meant = inspect(db), inspect(straight)
    for table in metadata.tables:
        for ask in ("get_check_constraints", "get_foreign_keys", "get_unique_constraints", "get_pk_constraint"):
            of_migrations, of_code = getattr(made, ask)(table), getattr(meant, ask)(table)
            assert _without_names(of_migrations) == _without_names(of_code), (table, ask)


def _without_names(constraints: object) -> object:
    if isinstance(constraints, dict):
        return {key: value for key, value in constraints.items() if key != "name"}
    assert isinstance(constraints, list)
    return sorted(repr(_without_names(constraint)) for constraint in constraints)


def test_the_newest_migration_is_the_revision_of_the_code() -> None:
    assert ScriptDirectory(str(Path(migrations.__path__[0]))).get_current_head() == REVISION


def test_the_tables_can_be_made_in_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect)).strip().startswith("CREATE TABLE")


def test_there_is_one_installation(db: Connection) -> None:
    db.execute(insert(installation).values(one=1, id="a", changes=0))
    with pytest.raises(IntegrityError):
        db.execute(insert(installation).values(one=2, id="b", changes=0))


def test_a_moment_comes_back_in_utc_whatever_its_zone_was(db: Connection) -> None:
    at = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    db.execute(insert(leases).values(name="a", holder="b", token=1, expires_at=at))
    read = db.execute(select(leases.c.expires_at)).scalar_one()
    assert read == at
    assert read.tzinfo is UTC


def test_a_time_without_a_zone_is_no_moment(db: Connection) -> None:
    with pytest.raises(StatementError, match="no time zone"):
        db.execute(insert(keys).values(owner="", key="", cluster_id="", name="", used_at=datetime(2026, 1, 1)))  # noqa: DTZ001
