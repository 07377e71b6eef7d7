"""Which node listens where: the usual number when it is free, else the next free one, and then always the same.

Ports are kept in a file per cluster, so that an address that was written down somewhere holds over restarts. The
clusters of one installation see each other's files: three that start at once do not pick the same number, although
none listens yet. What another program takes while a node is down is noticed by trying, and replaced by
a number far from the usual one.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from fireside.backends.local import files
from fireside.backends.local.layout import ClusterFiles, Layout
from fireside.backends.local.processes import describe
from fireside.errors import Refused
from fireside.model.plan import Port

HOST = "127.0.0.1"

_NEAR = 50
# Below what Linux hands out to outgoing connections (from 32768), so that none of those takes a node's number.
_LOWEST, _HIGHEST = 20_000, 32_000

Table = Mapping[str, Mapping[str, int]]
"""Node → name of the port → number."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A kept port that somebody else listens on now."""

    node: str
    old: int
    new: int
    holder: str

    def __str__(self) -> str:
        return f"port {self.old} taken by {self.holder}; {self.node} listens on {self.new} now"


class PortTables:
    """The ports of all clusters of an installation. Safe to use from several threads."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()

    def read(self, cluster_id: str) -> Table:
        """Return the kept ports of a cluster."""
        return _read(self._layout.cluster(cluster_id))

    def allocate(
        self, cluster_id: str, wanted: Mapping[str, Sequence[Port]], to_start: Collection[str]
    ) -> tuple[Table, Sequence[Replaced]]:
        """Choose and keep a number for every port of `wanted` (node → ports).

        Numbers of nodes in `to_start` have to be free now; those of all others are in use by the nodes themselves.
        The cluster's `nodes` directory has to exist: it tells other clusters that the numbers are claimed. Raises
        Refused when no number is left.
        """
        with self._lock:
            kept = self.read(cluster_id)
            taken = self._claims_of_others(cluster_id)
            taken |= {number for node, ports in kept.items() if node in wanted for number in ports.values()}
            table: dict[str, dict[str, int]] = {}
            replaced: list[Replaced] = []
            for node, ports in wanted.items():
                table[node] = {}
                for port in ports:
                    old = kept.get(node, {}).get(port.name)
                    if old is not None and (node not in to_start or is_free(old)):
                        table[node][port.name] = old
                        continue
                    # Who took it may be another Spark that comes up just now and looks for the next free number, too:
                    # whoever gives way goes far away, so that the two do not meet again.
                    number = _choose(port.preferred if old is None else 0, taken)
                    taken.add(number)
                    table[node][port.name] = number
                    if old is not None:
                        replaced.append(Replaced(node, old, number, holder(old)))
            if table != kept:
                files.write(self._layout.cluster(cluster_id).ports, json.dumps(table, indent=1))
            return table, replaced

    def _claims_of_others(self, cluster_id: str) -> set[int]:
        others = (self._layout.cluster(other) for other in self._layout.cluster_ids() if other != cluster_id)
        tables = [_read(cluster) for cluster in others if cluster.nodes.is_dir()]
        return {number for table in tables for ports in table.values() for number in ports.values()}


def is_free(number: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        # As the JVM does: connections that linger after a close do not count, a listener does.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, number))
            server.listen(1)
        except OSError:
            return False
    return True


def holder(number: int) -> str:
    """Return who listens on a port: `pid 812 (nc)`, as far as this user may know."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return "another program"
    pids = {
        connection.pid
        for connection in connections
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == number
    }
    known = sorted(pid for pid in pids if pid is not None)
    return describe(known[0]) if known else "a program of another user"


def _choose(preferred: int, taken: set[int]) -> int:
    near = range(preferred, min(preferred + _NEAR, 65_536)) if preferred else range(0)
    start = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST - 1000)  # so that two installations rarely collide
    for number in chain(near, range(start, start + 1000)):
        if number not in taken and is_free(number):
            return number
    raise Refused(f"no free port was found near {preferred or start}", hint="end what listens on so many ports")


def _read(cluster: ClusterFiles) -> Table:
    text = files.read(cluster.ports)
    try:
        table: Table = json.loads(text) if text else {}
    except ValueError:
        return {}  # not written by us: choose again
    return table
