"""What the engine has to remember of all clusters at once, in a few words for each.

The records themselves stay in the store: a thousand idle clusters must not be read again every second, and one process
need not hold their plans.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fireside.model.state import Phase
from fireside.ports import ClusterRecord

_AT_REST = frozenset({Phase.STOPPED, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class Entry:
    """One cluster."""

    backend: str
    generation: int
    at_rest: bool
    """Nothing of it runs, or is about to, that the engine would look after."""


class Roster:
    """Every cluster of the store, as last seen by this process."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.read = False
        """Whether the store was read since the start; before that nothing is known to be absent."""

    def note(self, record: ClusterRecord) -> bool:
        """Remember a cluster; return whether it is new, or its owner wants something new."""
        old = self._entries.get(record.id)
        entry = Entry(record.backend, record.generation, settled(record) and record.status.phase in _AT_REST)
        self._entries[record.id] = entry
        return old is None or old.generation != entry.generation

    def clear(self) -> None:
        """Forget all, until the store is read again."""
        self._entries.clear()
        self.read = False

    def drop(self, cluster_id: str) -> None:
        """Forget a cluster that is gone."""
        self._entries.pop(cluster_id, None)

    def replace(self, records: Iterable[ClusterRecord]) -> list[str]:
        """Take over what the store has; return the clusters that are new or were changed or deleted elsewhere."""
        known = set(self._entries)
        changed = []
        for record in records:
            known.discard(record.id)
            if self.note(record):
                changed.append(record.id)
        for gone in known:
            self.drop(gone)
        self.read = True
        return [*changed, *known]

    def of_backend(self, name: str) -> list[str]:
        """Return the clusters of one backend."""
        return [cluster_id for cluster_id, entry in self._entries.items() if entry.backend == name]

    def unknown(self, ids: Iterable[str]) -> set[str]:
        """Return those ids that are no cluster as far as this process knows."""
        return {cluster_id for cluster_id in ids if cluster_id not in self._entries}

    @property
    def busy(self) -> bool:
        """Whether any cluster runs, or is on its way to or from running."""
        return not self.read or any(not entry.at_rest for entry in self._entries.values())


def settled(record: ClusterRecord) -> bool:
    """Whether a cluster is where its owner wants it, or was given up."""
    if record.status.observed_generation < record.generation:
        return False
    return record.status.phase in {Phase.READY, Phase.STOPPED, Phase.FAILED}
