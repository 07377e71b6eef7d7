"""The blocking client brings back a server that has ended, for whatever is asked of it next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fireside.client import transport
from fireside.client.blocking import Client


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The servers that were started: nobody listens before the first."""
    started: list[str] = []

    def stream(_path: Path, _call: Any) -> Iterator[str]:
        if not started:
            raise transport.NoServer("nobody listens")
        yield "event"

    monkeypatch.setattr(transport, "stream", stream)
    return started


def test_a_stream_starts_a_server_that_has_ended(started: list[str]) -> None:
    client = Client(Path("/nowhere"), starter=lambda: started.append("server"))
    assert list(client.events("etl")) == ["event"]
    assert list(client.events("etl")) == ["event"]
    assert started == ["server"]


def test_without_a_starter_a_stream_says_that_nobody_listens(started: list[str]) -> None:
    with pytest.raises(transport.NoServer):
        list(Client(Path("/nowhere")).events("etl"))
    assert started == []
