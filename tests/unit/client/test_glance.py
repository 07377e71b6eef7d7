"""A quick look at a server: plain JSON when all is as usual, None in every other case."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fireside import settings
from fireside.client import glance, operations, rendezvous


@contextmanager
def answering(home: Path, status: int, content: bytes) -> Iterator[list[str]]:
    """Answer every request so; yields the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    found = settings.Settings(home)
    rendezvous.prepare(found)
    with socketserver.UnixStreamServer(str(rendezvous.meeting_of(found).socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def test_the_clusters_of_a_running_server_are_listed(short_tmp: Path) -> None:
    listed = [{"name": "etl"}]
    with answering(short_tmp, 200, json.dumps({"clusters": listed}).encode()) as asked:
        assert glance.clusters(settings.Settings(short_tmp)) == listed
    assert asked == [operations.list_clusters().target]


def test_what_runs_in_no_record_is_listed(short_tmp: Path) -> None:
    with answering(short_tmp, 200, json.dumps({"status": "ok", "orphans": ["c-9"]}).encode()) as asked:
        assert glance.orphans(settings.Settings(short_tmp)) == ["c-9"]
    assert asked == [operations.health().target]
    assert glance.orphans(settings.Settings(short_tmp / "home")) == []


@pytest.mark.parametrize(
    ("status", "content"), [(404, b"{}"), (500, b""), (200, b"<html>"), (200, b"[]"), (200, b'{"other": 1}')]
)
def test_whatever_is_unusual_is_left_to_the_client(short_tmp: Path, status: int, content: bytes) -> None:
    with answering(short_tmp, status, content):
        assert glance.clusters(settings.Settings(short_tmp)) is None


def test_without_a_server_nothing_is_found_and_nothing_is_made(short_tmp: Path) -> None:
    assert glance.clusters(settings.Settings(short_tmp / "home")) is None
    assert list(short_tmp.iterdir()) == []


def test_it_speaks_the_language_of_the_client() -> None:
    assert glance.PREFIX == operations.PREFIX
