"""Ending nodes: ask, wait, kill all that is left, and look again until nothing is.

What a node leaves behind is found by its labels, its session and its parents, in that order of strength: executors,
Python workers that hang in a user's function, and what moved itself into a session of its own.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Mapping

from fireside.backends.local import processes
from fireside.backends.local.processes import Process, Processes, ProcessId
from fireside.errors import Refused
from fireside.model.state import Role

_ROUNDS = 10
_ROUND_SECONDS = 1.0


class Ender:
    """Ends nodes of an installation."""

    def __init__(self, installation: str, grace: float) -> None:
        self._installation = installation
        self._grace = grace

    async def end(self, cluster_id: str, nodes: Mapping[str, ProcessId | None]) -> None:
        """End these nodes (name → recorded leader), with all that they started, and confirm that they are gone.

        Drivers go first, so that they can still say good-bye to their executors; masters last. Raises Refused
        naming what would not go.
        """
        ranks = sorted({_rank(name) for name in nodes})
        for rank in ranks:
            await self._end(cluster_id, {name: leader for name, leader in nodes.items() if _rank(name) == rank})

    async def _end(self, cluster_id: str, nodes: Mapping[str, ProcessId | None]) -> None:
        recorded = frozenset(leader for leader in nodes.values() if leader is not None)
        table = await self._scan()
        leaders = [leader for leader in recorded if table.has(leader)]
        leaders += [
            process.id
            for name, leader in nodes.items()
            if leader is None
            for process in table.labelled(cluster_id, name)
            if process.leads
        ]
        known = recorded | self._left(table, cluster_id, nodes, recorded).keys()
        # Only leaders are asked and waited for: what a dead one left behind has nobody to tell it how to end.
        for leader in leaders:
            processes.send(leader, signal.SIGTERM)
        await processes.wait_gone(leaders, self._grace)
        await self._kill(cluster_id, nodes, known)

    async def _kill(self, cluster_id: str, nodes: Iterable[str], known: frozenset[ProcessId]) -> None:
        for _ in range(_ROUNDS):
            left = self._left(await self._scan(), cluster_id, nodes, known)
            if not left:
                return
            known |= left.keys()
            for identity in left:
                processes.send(identity, signal.SIGKILL)
            await processes.wait_gone(left, _ROUND_SECONDS)
        names = ", ".join(processes.describe(identity.pid) for identity in left)
        raise Refused(
            f"cannot end {', '.join(nodes)}: {names} did not go, not even by signal 9",
            found=names,
            hint="a process that waits for a disk or a network drive goes when that answers; then try again",
        )

    def _left(
        self, table: Processes, cluster_id: str, nodes: Iterable[str], known: frozenset[ProcessId]
    ) -> dict[ProcessId, Process]:
        seeds = (process for name in nodes for process in table.labelled(cluster_id, name))
        return table.family(seeds, known)

    async def _scan(self) -> Processes:
        return await asyncio.to_thread(processes.scan, self._installation)


def _rank(node: str) -> int:
    order = (Role.CONNECT, Role.WORKER, Role.MASTER)
    return next((rank for rank, role in enumerate(order) if node.startswith(role.value)), 0)
