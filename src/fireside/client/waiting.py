"""What all who wait for a cluster share, commands and notebooks alike: the news of it, and what its failure is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fireside.errors import NotFound, Refused, Unavailable

if TYPE_CHECKING:
    from fireside.client.blocking import Client
    from fireside.wire import ClusterView, EventView

MARGIN = 30.0
"""Seconds beyond the spec's own limit, so that the server's reason arrives and not the client's time-out."""
PAUSE = 0.1
"""Seconds before asking again when the server is about to end: its successor can only start when it has gone."""


def last_event(client: Client, ref: str) -> int:
    """Return the number of the last event there is; 0 when there is none, or no such cluster."""
    try:
        return max((event.seq for event in client.events(ref)), default=0)
    except NotFound:
        return 0


def news(client: Client, ref: str, after: int) -> Iterator[EventView]:
    """Yield the events above `after` that can be had now: a server that is about to end tells the rest later."""
    try:
        yield from client.events(ref, after=after)
    except Unavailable:
        return


def failure(view: ClusterView) -> Refused:
    """Return the error that a failed cluster stands for."""
    return Refused(
        f"cluster {view.name} failed: {view.message or view.reason or 'no reason is known'}",
        found=view.reason,
        hint=view.hint or f"fireside logs {view.name} --tail 50; then: fireside restart {view.name}",
    )
