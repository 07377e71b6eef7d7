"""What was started: one small file a node, written before its process is made and completed after.

Records make observation richer (digest, addresses, what a dead node was), but nothing is lost without them: a
living node is found by its labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from fireside.backends.local import files
from fireside.backends.local.layout import ClusterFiles
from fireside.backends.local.processes import Process, Processes, ProcessId
from fireside.errors import Conflict
from fireside.model.state import Frozen, Role


class NodeRecord(Frozen):
    """One start of a node."""

    role: Role
    incarnation: str
    digest: str
    host: str
    ports: dict[str, int]
    master: str | None
    """The master's address that it was told; None: it needs none."""
    started_at: datetime
    pid: int | None = None
    """None: about to be started."""
    ticks: int = 0
    boot: str = ""
    draining: bool = False

    @property
    def process(self) -> ProcessId | None:
        """Return who it is, once it was started."""
        return None if self.pid is None else ProcessId(self.pid, self.ticks, self.boot)

    def started(self, process: ProcessId) -> NodeRecord:
        """Return the record of the node that was started as `process`."""
        return self.model_copy(update={"pid": process.pid, "ticks": process.ticks, "boot": process.boot})


def read(cluster: ClusterFiles) -> dict[str, NodeRecord]:
    """Return the records of a cluster's nodes by name; unreadable ones count as absent. Raises Refused."""
    found: dict[str, NodeRecord] = {}
    for name in cluster.node_names():
        text = files.read(cluster.node(name).record)
        if text is None:
            continue
        try:
            found[name] = NodeRecord.model_validate_json(text)
        except ValidationError:
            continue  # of another version of Fireside: the node is found by its labels and replaced
    return found


def complete(found: Mapping[str, NodeRecord], cluster_id: str, table: Processes) -> dict[str, NodeRecord]:
    """Return records with the processes that were started but not written down, found by their labels."""
    return {name: _complete(record, table.labelled(cluster_id, name)) for name, record in found.items()}


def _complete(record: NodeRecord, own: list[Process]) -> NodeRecord:
    if record.pid is not None:
        return record
    matching = (each for each in own if each.leads and each.label and each.label.incarnation == record.incarnation)
    leader = next(matching, None)
    return record if leader is None else record.started(leader.id)


def write(cluster: ClusterFiles, name: str, record: NodeRecord) -> None:
    """Store a record. Raises Refused."""
    files.write(cluster.node(name).record, record.model_dump_json())


def accept_generation(cluster: ClusterFiles, generation: int) -> None:
    """Remember that `generation` is applied. Raises Conflict when a newer one was."""
    text = files.read(cluster.applied)
    newest = int(json.loads(text)["generation"]) if text else 0
    if generation < newest:
        raise Conflict(
            f"generation {generation} of the cluster is older than {newest}, which was applied already",
            found=str(generation),
            allowed=f"{newest} or newer",
        )
    if generation > newest:
        files.write(cluster.applied, json.dumps({"generation": generation}))
