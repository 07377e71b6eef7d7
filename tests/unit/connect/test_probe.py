"""The probe against small HTTP servers of our own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fireside.connect.probe import Probe
from fireside.errors import Unavailable
from fireside.ports import Address, MasterWorker

PAGE: dict[str, Any] = {
    "url": "spark://127.0.0.1:7077",
    "status": "ALIVE",
    "workers": [
        {
            "id": "worker-1",
            "host": "127.0.0.1",
            "port": 27081,
            "cores": 2,
            "coresused": 1,
            "memory": 2048,
            "memoryused": 1024,
            "state": "ALIVE",
        }
    ],
    "activeapps": [{"id": "app-1", "state": "WAITING"}],
}

Serve = Callable[[str, bytes], Address]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ThreadingHTTPServer] = []

    def start(kind: str, body: bytes) -> Address:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Address("127.0.0.1", server.server_port)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


async def test_a_master_lists_its_workers_with_cores_and_memory(serve: Serve) -> None:
    # STD-06, HLT-02
    async with Probe() as probe:
        status = await probe.master(serve("text/json;charset=utf-8", json.dumps(PAGE).encode()))
    assert status.status == "ALIVE"
    assert status.workers == (MasterWorker("127.0.0.1", 27081, "ALIVE", 2, 2048),)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<html>Spark</html>"),
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b'{"status": "ALIVE"}'),
        ("application/json", b'{"status": "ALIVE", "workers": [{"host": "h"}]}'),
    ],
)
async def test_anything_else_is_unavailable(serve: Serve, kind: str, body: bytes) -> None:
    async with Probe() as probe:
        with pytest.raises(Unavailable, match="no Spark master"):
            await probe.master(serve(kind, body))


async def test_no_answer_is_unavailable_naming_the_address() -> None:
    async with Probe() as probe:
        with pytest.raises(Unavailable, match="no master answers"):
            await probe.master(Address("127.0.0.1", 1))


async def test_a_proxy_of_the_environment_is_not_asked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with Probe() as probe:
        assert (await probe.master(serve("application/json", json.dumps(PAGE).encode()))).status == "ALIVE"


async def test_no_connection_outlives_a_question(serve: Serve) -> None:
    address = serve("application/json", json.dumps(PAGE).encode())
    async with Probe() as probe:
        for _ in range(3):
            await probe.master(address)
        pool = probe._http()._transport._pool  # type: ignore[attr-defined]
        assert not pool.connections
