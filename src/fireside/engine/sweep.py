"""The sweep: ends what runs under this installation's id and is in no record.

Only when the backend's picture was complete, and was begun before the records were read: a cluster that is created
meanwhile has its record first and its nodes later, so it can never look like an orphan. A store that is new or was
restored does not know what it should know, so it sweeps nothing until somebody says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from fireside.engine.clock import within
from fireside.engine.reconciler import OBSERVE_SECONDS, REMOVE_SECONDS, Parts
from fireside.engine.roster import Roster
from fireside.errors import Unavailable
from fireside.ports import Backend, Observation

log = structlog.get_logger(__name__)


class Sweeper:
    """Knows the orphans of every backend, as last seen."""

    def __init__(self, parts: Parts, roster: Roster) -> None:
        self._parts = parts
        self._roster = roster
        self._orphans: dict[str, tuple[str, ...]] = {}

    async def orphans(self) -> tuple[str, ...]:
        """Return the clusters that run and are in no record, by id.

        Looks itself at what no observer has looked at yet: who asks right after the start of the server and is told
        "none" would agree to end what nobody has named.
        """
        for backend in self._parts.backends.values():
            if backend.name not in self._orphans:
                self._orphans[backend.name] = await self._unrecorded(await self._observed(backend))
        return tuple(sorted(cluster_id for ids in self._orphans.values() for cluster_id in ids))

    async def consider(self, backend: Backend, seen: Observation) -> None:
        """Sweep what `seen` shows to be nobody's; `seen` was begun before this call."""
        orphans = await self._unrecorded(seen)
        self._orphans[backend.name] = orphans
        if not orphans or (await self._parts.store.installation()).sweep_held is not None:
            return
        await self._end(backend, orphans)

    async def purge(self) -> Sequence[str]:
        """End every orphan now, and sweep by itself from now on. Raises Unavailable while something is out of sight."""
        ended: list[str] = []
        for backend in self._parts.backends.values():
            seen = await self._observed(backend)
            if not seen.complete:
                raise Unavailable(
                    f"Backend {backend.name} cannot see all of its nodes now, so none is taken for an orphan.",
                    hint="Try again in a moment.",
                )
            orphans = await self._unrecorded(seen)
            await self._end(backend, orphans)
            ended.extend(orphans)
        await self._parts.store.release_sweep()
        return ended

    async def _observed(self, backend: Backend) -> Observation:
        what = f"looking at all nodes of {backend.name}"
        return await within(self._parts.clock, OBSERVE_SECONDS, what, backend.observe())

    async def _unrecorded(self, seen: Observation) -> tuple[str, ...]:
        """Return what is in no record; the store is only read when this process knows of no such cluster."""
        if not seen.complete:
            return ()
        suspects = self._roster.unknown(seen.remains | {node.cluster_id for node in seen.nodes})
        if not suspects:
            return ()
        recorded = {record.id for record in await self._parts.store.list_clusters()}
        return tuple(sorted(suspects - recorded))

    async def _end(self, backend: Backend, orphans: Sequence[str]) -> None:
        for cluster_id in orphans:
            # Data are kept: a record that was lost by mistake must not cost the owner's tables as well.
            what = f"sweeping {cluster_id}"
            await within(self._parts.clock, REMOVE_SECONDS, what, backend.remove(cluster_id, purge=False))
            log.warning("ended a cluster that is in no record", event_name="installation.swept", cluster=cluster_id)
        self._orphans[backend.name] = tuple(x for x in self._orphans.get(backend.name, ()) if x not in orphans)
