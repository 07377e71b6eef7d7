"""Asks nodes how they are, one attempt a call: what the engine's readiness is made of.

A running process is not a usable node: a master may still recover, a Connect server may still load classes. Only
what a node itself answers counts (HLT-02). Time limits are the caller's; the ones here only keep one attempt from
hanging on a machine that accepts a connection and then says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import SecretStr

from fireside.connect.handshake import handshake_async
from fireside.errors import Unavailable
from fireside.ports import Address, MasterStatus, MasterWorker

_TIMEOUT = httpx.Timeout(10.0, connect=2.0)
_JSON = ("text/json", "application/json")  # Spark says the first
_HANDSHAKE_SECONDS = 20.0  # the first question makes a server load classes; on a busy machine that takes seconds


class Probe:
    """A `NodeProbe` over HTTP and gRPC.

    No connection outlives its call: a node that is asked and then dies leaves nothing here.
    """

    def __init__(self, *, handshake_seconds: float = _HANDSHAKE_SECONDS) -> None:
        self._handshake_seconds = handshake_seconds
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Return itself; leaving closes what it holds."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what it holds."""
        await self.aclose()

    async def aclose(self) -> None:
        """Release the HTTP client; the next question would make another."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def master(self, ui: Address) -> MasterStatus:
        """Read the JSON page of the master whose web page is at `ui`. Raises Unavailable."""
        url = f"http://{ui}/json/"
        try:
            answer = await self._http().get(url)
        except httpx.HTTPError as error:
            raise Unavailable(f"no master answers at {url}: {error or type(error).__name__}") from error
        kind = answer.headers.get("content-type", "")
        # A master answers unknown paths with status 200 and a web page, so the status alone says nothing.
        if answer.status_code != httpx.codes.OK or not kind.startswith(_JSON):
            raise Unavailable(
                f"what answers at {url} is no Spark master: status {answer.status_code}, {kind or 'bare'}"
            )
        try:
            return _status(answer.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"what answers at {url} is no Spark master: its page lacks {error}") from error

    async def handshake(self, address: Address, token: SecretStr | None) -> str:
        """Return the Spark version of a Connect server; leaves no session. Raises Unavailable, NotAllowed."""
        return await handshake_async(str(address), token, timeout=self._handshake_seconds)

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=_TIMEOUT,
                trust_env=False,  # a proxy must not be asked for nodes of this machine
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._client


def _status(page: Mapping[str, Any]) -> MasterStatus:
    return MasterStatus(status=str(page["status"]), workers=tuple(_worker(worker) for worker in page["workers"]))


def _worker(worker: Mapping[str, Any]) -> MasterWorker:
    return MasterWorker(
        host=str(worker["host"]),
        port=int(worker["port"]),
        state=str(worker["state"]),
        cores=int(worker["cores"]),
        memory=int(worker["memory"]),
    )
