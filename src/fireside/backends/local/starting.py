"""Starting a node: record the intent, lay out its files, make the process, record who it is.

A crash between any two of these leaves something that is found again: a record without a process counts as gone,
a process without a record is found by its labels.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from fireside.backends.local import files, logs, records
from fireside.backends.local.layout import ClusterFiles
from fireside.backends.local.processes import CLUSTER, INCARNATION, INSTALLATION, NODE, identify_child
from fireside.backends.local.records import NodeRecord
from fireside.backends.local.watching import Watcher
from fireside.errors import FiresideError, Refused
from fireside.model.plan import Node, Plan, SecretName
from fireside.render.process import ProcessDefinition, Site

Define = Callable[[Plan, Node, Site, Mapping[SecretName, SecretStr]], ProcessDefinition]
"""How a node of a plan becomes a process."""

_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
_UMASK = 0o077


def environment_of(
    outside: Mapping[str, str], installation: str, cluster_id: str, node: str, incarnation: str
) -> Mapping[str, str]:
    """Return what a node inherits, and the labels by which it and all its children are found."""
    return {
        **{name: outside[name] for name in _PASSED_ON if name in outside},
        INSTALLATION: installation,
        CLUSTER: cluster_id,
        NODE: node,
        INCARNATION: incarnation,
    }


@dataclass(frozen=True, slots=True)
class Launch:
    """A node that is about to be started."""

    cluster: ClusterFiles
    name: str
    record: NodeRecord
    define: Callable[[], ProcessDefinition]
    """Called last, as it needs secrets."""


def start(launch: Launch, watcher: Watcher) -> NodeRecord:
    """Start a node of which nothing runs any more; return its record. Blocks; raises Refused."""
    cluster, name = launch.cluster, launch.name
    place = cluster.node(name)
    logs.keep_executor_logs(place)
    files.remove_tree(place.root)
    records.write(cluster, name, launch.record)
    try:
        child = _spawn(launch.define(), place.log, logs.begin_marker(name, launch.record.incarnation))
    except FiresideError:
        files.remove_tree(place.root)  # nothing was started: nothing is there
        raise
    identity = identify_child(child.pid)
    watcher.adopt(identity, child)
    record = launch.record.started(identity)
    records.write(cluster, name, record)
    return record


def _spawn(definition: ProcessDefinition, log: Path, marker: str) -> subprocess.Popen[bytes]:
    for directory in definition.directories:
        files.make_directory(Path(directory))
    for file in definition.files:
        files.write(Path(file.path), file.text, mode=file.mode)
    files.make_directory(log.parent)
    program = definition.argv[0]
    with files.refusing("write", log):
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{marker}\n".encode())
        # A session of its own outlives this server, and is what ends with the node.
        return subprocess.Popen(
            definition.argv,
            env=dict(definition.environment),
            cwd=definition.directory,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            umask=_UMASK,
        )
    except OSError as error:
        raise Refused(f"cannot start {program}: {error.strerror or error}", hint="see the log of the server") from error
    finally:
        os.close(descriptor)
