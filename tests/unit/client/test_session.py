"""Sessions: handshake and versions before anything of pyspark."""

from __future__ import annotations

import importlib.metadata
import os
from typing import Any

import pytest

from fireside.client import session
from fireside.errors import MissingPart, Unavailable, Unsupported, VersionMismatch
from fireside.wire import Connection


def connection(**changes: Any) -> Connection:
    facts = {"name": "etl", "spark": "4.3.0", "remote": "sc://localhost:15002/", "token": "t0ken", "workspace": "/w"}
    return Connection(**{**facts, **changes})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Packages and their versions, as this Python believes to have them."""
    packages: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return packages[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return packages


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a handshake is asked with; it answers 4.3.0."""
    asked: list[Any] = []

    def handshake(target: str, token: Any, *, timeout: float) -> str:
        asked.append((target, token.get_secret_value() if token else None, timeout))
        return "4.3.0"

    monkeypatch.setattr(session, "handshake", handshake)
    return asked


def test_a_client_of_another_version_is_told_both_and_the_pip_line(
    installed: dict[str, str], answers: list[Any]
) -> None:
    # CLI-03
    installed["pyspark"] = "4.0.1"
    with pytest.raises(VersionMismatch) as caught:
        session.open_session(connection())
    assert "4.0.1" in caught.value.message
    assert "4.3.0" in caught.value.message
    assert caught.value.hint is not None
    assert "pip install 'pyspark[connect]==4.3.0'" in caught.value.hint


def test_the_thin_client_counts_as_a_client(installed: dict[str, str], answers: list[Any]) -> None:
    installed["pyspark-client"] = "4.3.0"
    assert session.greet(connection()) == "4.3.0"


def test_without_pyspark_the_line_that_installs_it_is_named(installed: dict[str, str], answers: list[Any]) -> None:
    with pytest.raises(MissingPart) as caught:
        session.open_session(connection())
    assert caught.value.hint is not None
    assert "pip install 'pyspark[connect]==4.3.0'" in caught.value.hint


def test_the_handshake_gets_the_token_and_a_short_limit(installed: dict[str, str], answers: list[Any]) -> None:
    installed["pyspark"] = "4.3.0"
    session.greet(connection())
    assert answers == [("localhost:15002", "t0ken", session.ANSWER_WITHIN)]


def test_a_cluster_without_connect_points_to_a_driver_of_its_own() -> None:
    with pytest.raises(Unsupported) as caught:
        session.open_session(connection(remote=None))
    assert caught.value.hint is not None
    assert "--classic" in caught.value.hint


def test_nobody_there_is_an_error_at_once(unused_port: int) -> None:
    with pytest.raises(Unavailable):
        session.open_session(connection(remote=f"sc://localhost:{unused_port}"))


def test_the_token_is_neither_in_the_url_nor_in_the_environment() -> None:
    pytest.importorskip("pyspark")
    built = session._channel_builder("sc://localhost:15002/", "t0ken")
    assert built.token == "t0ken"
    assert "t0ken" not in built.endpoint
    assert "t0ken" not in "".join(os.environ.values())
    assert "t0ken" not in repr(built)


def test_a_new_session_is_the_current_one_after_the_server_of_the_last_one_was_lost(unused_port: int) -> None:
    pytest.importorskip("pyspark")
    from pyspark.sql.connect.session import SparkSession

    nowhere = connection(remote=f"sc://localhost:{unused_port}")
    lost: Any = session.start_session(nowhere)
    lost.client.close()  # as PySpark does when it learns that the session ended with its server
    fresh: Any = session.start_session(nowhere)
    try:
        assert SparkSession.active() is fresh
    finally:
        fresh.release_session_on_close = False  # nobody is there to be told
        fresh.stop()
