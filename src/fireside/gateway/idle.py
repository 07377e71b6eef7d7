"""When a server has nothing to do: no cluster that runs or moves, no request for a while."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from fireside.ports import Clock


class Traffic:
    """Counts requests on their way through, and remembers when the last one ended."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._open = 0
        self._last = clock.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1
            self._last = self._clock.monotonic()

    @property
    def quiet_for(self) -> float:
        """Seconds since the last request ended; 0 while one is open."""
        return 0.0 if self._open else self._clock.monotonic() - self._last


async def until_idle(traffic: Traffic, busy: Callable[[], bool], clock: Clock, limit: float) -> None:
    """Return when nothing was `busy` and no request was made for `limit` seconds.

    A cluster that ends counts as something done: the time runs from when it was last seen busy.
    """
    since = clock.monotonic()
    while True:
        if busy():
            since = clock.monotonic()
        left = limit - min(traffic.quiet_for, clock.monotonic() - since)
        if left <= 0:
            return
        await clock.sleep(min(left, max(limit / 10, 0.05)))
