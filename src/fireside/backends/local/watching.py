"""The ends of processes: noticed at once, reaped, and remembered.

The kernel makes a descriptor of a process readable when it ends; the event loop waits for that as it waits for
sockets. Where there is no such descriptor nothing is noticed here, and the engine finds out when it looks next.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator

from fireside.backends.local import processes
from fireside.backends.local.processes import ProcessId
from fireside.ports import Hint


class Watcher:
    """Watches the leaders of nodes, whether this process started them or found them running."""

    def __init__(self) -> None:
        self._children: dict[ProcessId, subprocess.Popen[bytes]] = {}
        self._watched: dict[ProcessId, int] = {}
        self._listeners: set[asyncio.Queue[Hint]] = set()

    def adopt(self, identity: ProcessId, child: subprocess.Popen[bytes]) -> None:
        """Become responsible for a child of this process: reap it, and know its exit code. From any thread."""
        self._children[identity] = child

    def exit_code(self, identity: ProcessId) -> int | None:
        """Return how a child ended (-9: by signal 9); None when it runs, or is nobody's child here."""
        child = self._children.get(identity)
        return None if child is None else child.poll()

    def forget(self, identity: ProcessId) -> None:
        """Drop what is known of a process that ended."""
        child = self._children.get(identity)
        if child is not None and child.poll() is not None:
            del self._children[identity]

    def follow(self, identity: ProcessId, cluster_id: str) -> None:
        """Give a hint for the cluster when this process ends. From the event loop's thread."""
        if identity in self._watched:
            return
        descriptor = processes.open_pidfd(identity)
        if descriptor is not None:
            self._watched[identity] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._ended, identity, cluster_id)

    def hint(self, cluster_id: str) -> None:
        """Tell every listener that something changed."""
        for listener in self._listeners:
            listener.put_nowait(Hint(cluster_id))

    async def hints(self) -> AsyncIterator[Hint]:
        """Yield hints until closed."""
        queue: asyncio.Queue[Hint] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def close(self) -> None:
        """Stop watching; the processes live on."""
        for identity in list(self._watched):
            self._unwatch(identity)

    def _ended(self, identity: ProcessId, cluster_id: str) -> None:
        self._unwatch(identity)
        self.exit_code(identity)  # reaps it
        self.hint(cluster_id)

    def _unwatch(self, identity: ProcessId) -> None:
        descriptor = self._watched.pop(identity)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
