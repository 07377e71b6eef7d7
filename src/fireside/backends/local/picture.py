"""What there is: records and living processes put together into observations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fireside.backends.local import logs, reasons
from fireside.backends.local.layout import ClusterFiles
from fireside.backends.local.ports import holder
from fireside.backends.local.processes import Process, Processes
from fireside.backends.local.reasons import Reason
from fireside.backends.local.records import NodeRecord
from fireside.backends.local.watching import Watcher
from fireside.model.state import NodeState
from fireside.ports import Address, NodeObservation

_INTERRUPTED = Reason("Fireside was interrupted while it started this node")
_REBOOTED = Reason("the machine was restarted")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster's part of the picture."""

    id: str
    files: ClusterFiles
    records: Mapping[str, NodeRecord]
    """Read before the processes, so that what they name is among those if it lives."""
    starting: Collection[str]
    """Nodes that are being started at this moment."""


class Painter:
    """Turns clusters and processes into observations; remembers why a node died, as the cause may pass."""

    def __init__(self, watcher: Watcher, boot: str) -> None:
        self._watcher = watcher
        self._boot = boot
        self._reasons: dict[str, Reason] = {}

    def paint(self, cluster: Cluster, table: Processes) -> list[NodeObservation]:
        """Return the nodes of a cluster: recorded ones, and those that only their labels tell of. Blocks."""
        found = table.labelled(cluster.id)
        names = sorted({*cluster.records, *(process.label.node for process in found if process.label)})
        return [
            self._node(cluster, name, [p for p in found if p.label and p.label.node == name], table) for name in names
        ]

    def forget(self, incarnation: str) -> None:
        """Drop the reason of a node that was replaced."""
        self._reasons.pop(incarnation, None)

    def _node(self, cluster: Cluster, name: str, own: list[Process], table: Processes) -> NodeObservation:
        record = cluster.records.get(name)
        if record is None:
            return _unrecorded(cluster.id, name, own)
        state = self._state(cluster, name, record, table)
        leader = record.process
        gone = state is NodeState.GONE
        code = self._watcher.exit_code(leader) if gone and leader else None
        reason = self._reason(cluster, name, record, code) if gone else None
        return NodeObservation(
            cluster_id=cluster.id,
            name=name,
            incarnation=record.incarnation,
            state=state,
            digest=record.digest,
            reason=reason.sentence if reason else None,
            exit_code=code,
            permanent=bool(reason and reason.permanent),
            draining=record.draining,
            children=sum(process.executor for process in own),
            addresses={port: Address(record.host, number) for port, number in record.ports.items()},
            started_at=record.started_at,
        )

    def _state(self, cluster: Cluster, name: str, record: NodeRecord, table: Processes) -> NodeState:
        if record.process is not None and table.has(record.process):
            return NodeState.RUNNING
        return NodeState.STARTING if name in cluster.starting else NodeState.GONE

    def _reason(self, cluster: Cluster, name: str, record: NodeRecord, code: int | None) -> Reason:
        if record.incarnation not in self._reasons:
            self._reasons[record.incarnation] = self._explain(cluster, name, record, code)
        return self._reasons[record.incarnation]

    def _explain(self, cluster: Cluster, name: str, record: NodeRecord, code: int | None) -> Reason:
        if record.process is not None and record.boot != self._boot:
            return _REBOOTED
        text = logs.last_words(cluster.files.node(name).log, record.incarnation)
        if record.process is None and not text:
            return _INTERRUPTED
        return reasons.explain(code, text, holder)


def _unrecorded(cluster_id: str, name: str, own: list[Process]) -> NodeObservation:
    leader = next((process for process in own if process.leads), None)
    known = leader or own[0]
    return NodeObservation(
        cluster_id=cluster_id,
        name=name,
        incarnation=known.label.incarnation if known.label else "",
        state=NodeState.RUNNING if leader else NodeState.GONE,
        reason=None if leader else reasons.NOT_SEEN,
        children=sum(process.executor for process in own),
    )
