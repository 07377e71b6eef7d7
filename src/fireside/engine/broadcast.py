"""Tells whoever follows a cluster what happened to it, in this process and without polling.

The store keeps what happened; this only wakes those who wait. Subscribe before reading the store, and nothing
falls between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto

from fireside.ports import Event


class Signal(Enum):
    """What a follower hears besides events."""

    CHANGED = auto()  # the record or its status changed
    ENDED = auto()  # the cluster was forgotten


Heard = Event | Signal


class Broadcast:
    """Followers by cluster id."""

    def __init__(self) -> None:
        self._followers: dict[str, set[asyncio.Queue[Heard]]] = {}

    @contextmanager
    def follow(self, cluster_id: str) -> Iterator[asyncio.Queue[Heard]]:
        """Give a queue of all that is told from now on."""
        queue: asyncio.Queue[Heard] = asyncio.Queue()
        self._followers.setdefault(cluster_id, set()).add(queue)
        try:
            yield queue
        finally:
            followers = self._followers[cluster_id]
            followers.discard(queue)
            if not followers:
                del self._followers[cluster_id]

    def tell(self, cluster_id: str, heard: Sequence[Heard]) -> None:
        """Tell every follower."""
        for queue in self._followers.get(cluster_id, ()):
            for item in heard:
                queue.put_nowait(item)
