"""What lies where under an installation's home.

::

    <home>/clusters/<cluster id>/
        applied.json           the newest generation that was applied
        ports.json             which port is whose, kept over restarts
        secrets/<name>         one secret each
        nodes/<node>/          record.json, conf/, work/, local/ (shuffle and spill)
        recovery/              what the master needs to come back
        logs/<node>.log        daemons; logs/<node>/… executors of a node that is gone
        data/                  warehouse/, metastore/, workspace/: survive everything but a purge
    <home>/java/<version>/bin/java     launchers
    <home>/python/<hash>/              virtual environments for the packages that a spec asks for
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fireside.errors import InternalError

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The places of one node."""

    root: Path
    log: Path
    kept_logs: Path
    """Where its executors' logs go when it ends."""

    @property
    def record(self) -> Path:
        """What was started."""
        return self.root / "record.json"

    @property
    def conf(self) -> Path:
        """Its Spark configuration, secrets included."""
        return self.root / "conf"

    @property
    def work(self) -> Path:
        """Its working directory; a worker's executors have theirs below."""
        return self.root / "work"

    @property
    def local(self) -> Path:
        """Shuffle files and spill."""
        return self.root / "local"


@dataclass(frozen=True, slots=True)
class ClusterFiles:
    """The places of one cluster."""

    root: Path

    @property
    def nodes(self) -> Path:
        """A directory a node."""
        return self.root / "nodes"

    @property
    def logs(self) -> Path:
        """What nodes wrote; kept until a purge."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """What users made; kept until a purge."""
        return self.root / "data"

    @property
    def warehouse(self) -> Path:
        """Tables."""
        return self.data / "warehouse"

    @property
    def metastore(self) -> Path:
        """The catalog of the tables."""
        return self.data / "metastore"

    @property
    def workspace(self) -> Path:
        """The shared directory of a cluster that was given none."""
        return self.data / "workspace"

    @property
    def recovery(self) -> Path:
        """What the master needs to come back."""
        return self.root / "recovery"

    @property
    def secrets(self) -> Path:
        """A file a secret."""
        return self.root / "secrets"

    @property
    def ports(self) -> Path:
        """Which port is whose."""
        return self.root / "ports.json"

    @property
    def applied(self) -> Path:
        """The newest generation that was applied."""
        return self.root / "applied.json"

    @property
    def passing(self) -> tuple[Path, ...]:
        """What only a running cluster needs."""
        return (self.nodes, self.recovery)

    def node(self, name: str) -> NodeFiles:
        """Return the places of one node."""
        safe = _safe(name)
        return NodeFiles(self.nodes / safe, self.logs / f"{safe}.log", self.logs / safe)

    def node_names(self) -> list[str]:
        """Return the nodes that have a directory."""
        return _directories(self.nodes)


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of an installation."""

    home: Path

    @property
    def clusters(self) -> Path:
        """A directory a cluster."""
        return self.home / "clusters"

    @property
    def java(self) -> Path:
        """Launchers in the role of JAVA_HOME."""
        return self.home / "java"

    @property
    def python(self) -> Path:
        """Virtual environments."""
        return self.home / "python"

    def cluster(self, cluster_id: str) -> ClusterFiles:
        """Return the places of one cluster."""
        return ClusterFiles(self.clusters / _safe(cluster_id))

    def cluster_ids(self) -> list[str]:
        """Return the clusters that have a directory."""
        return _directories(self.clusters)


def _directories(path: Path) -> list[str]:
    """Return the names of directories that can be ours; what else lies there is not looked at."""
    if not path.is_dir():
        return []
    return sorted(each.name for each in path.iterdir() if _SAFE.fullmatch(each.name) and each.is_dir())


def _safe(name: str) -> str:
    if _SAFE.fullmatch(name) is None:
        raise InternalError(f"{name!r} cannot name a directory")
    return name
