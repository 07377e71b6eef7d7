"""Spark configuration per role: product defaults < the spec's `spark.conf` < the role's own `conf`.

What comes out here follows from the spec alone and is stored in the plan. Addresses, ports, directories and secrets
depend on where a node is put and are added by ``fireside.render``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from fireside.model.confkeys import ALIASES, PORT_KEYS, Reader, reader_of
from fireside.model.conflint import check
from fireside.model.quantity import show_memory
from fireside.model.spark import USUAL_PORTS, working_jvm
from fireside.model.spec import ClusterSpec
from fireside.model.state import Role, Topology

__all__ = ["check", "driver_conf", "preferred_ports", "role_conf"]

_EVERY_ROLE = {
    # Else a worker ignores the signal that drains it, the master the notice, and the driver loses what it held.
    "spark.decommission.enabled": "true",
}

_MASTER = {
    # It takes submissions without asking who sends them, and is on by default since 4.1.
    "spark.master.rest.enabled": "false",
    # A killed master comes back with its workers and applications; its directory is added where it runs.
    "spark.deploy.recoveryMode": "FILESYSTEM",
    # Bounds what the master remembers, and so its heap (STD-11).
    "spark.deploy.retainedApplications": "20",
    "spark.deploy.retainedDrivers": "20",
    # Seconds of silence after which a worker is given up.
    "spark.worker.timeout": "60",
}

_WORKER = {
    # Directories of ended applications go (STD-13): looked for each hour, kept for three. Both in seconds.
    "spark.worker.cleanup.enabled": "true",
    "spark.worker.cleanup.interval": "3600",
    "spark.worker.cleanup.appDataTtl": "10800",
    # Executors' stdout and stderr would grow for as long as the application lives.
    "spark.executor.logs.rolling.strategy": "size",
    "spark.executor.logs.rolling.maxSize": "10485760",
    "spark.executor.logs.rolling.maxRetainedFiles": "5",
    # The worker beats four times in this many seconds; the master counts by the same number.
    "spark.worker.timeout": "60",
    # Which signal drains it. Spark's default, written out because a backend sends it.
    "spark.worker.decommission.signal": "PWR",
}

_DRIVER = {
    # Blocks of an executor that is drained move to others, instead of being computed again.
    "spark.storage.decommission.enabled": "true",
    "spark.storage.decommission.shuffleBlocks.enabled": "true",
    "spark.storage.decommission.rddBlocks.enabled": "true",
    # An executor leaves only after a round that found nothing to move: by default an idle one waits 30 s for it.
    "spark.storage.decommission.replicationReattemptInterval": "5s",
    # A bar for terminals, not for log files.
    "spark.ui.showConsoleProgress": "false",
}

_CONNECT = {
    **_DRIVER,
    # Tables have to be there after a restart; the default catalog lives in the driver's memory.
    "spark.sql.catalogImplementation": "hive",
    "spark.hadoop.hive.metastore.schema.verification": "false",
    "spark.hadoop.datanucleus.schema.autoCreateAll": "true",
}

_OWN_DRIVER = {
    **_DRIVER,
    # The database of the persistent catalog admits one process, the Connect server.
    "spark.sql.catalogImplementation": "in-memory",
}


def role_conf(spec: ClusterSpec, role: Role) -> dict[str, str]:
    """Return the configuration of nodes of `role`, for a spec whose sizes are fitted.

    Aliases are resolved; keys that name a wanted port are left to `preferred_ports`. Of the configuration for every
    role only what this role reads is taken, so that a change for the driver does not restart the workers.
    """
    match role:
        case Role.MASTER:
            return _layered(_MASTER, _shared(spec, Reader.MASTER), spec.master.conf)
        case Role.WORKER:
            return _layered(_WORKER, _shared(spec, Reader.WORKER), spec.workers.conf)
        case Role.CONNECT:
            return _driver(spec, _CONNECT, spec.connect.conf)
    assert_never(role)


def driver_conf(spec: ClusterSpec) -> dict[str, str]:
    """Return what a driver of the owner's own sets, beside the Connect server or instead of it (STD-14).

    Nothing for topology `single`, which has no master that would take it.
    """
    if spec.topology is Topology.SINGLE:
        return {}
    return _driver(spec, _OWN_DRIVER, {})


def preferred_ports(spec: ClusterSpec) -> dict[tuple[Role, str], int]:
    """Return the number that each port takes when that is free, by role and the port's name (STD-05, CON-02).

    0 means any. Values that are no port are reported by `check` and passed over here.
    """
    ports = {(role, port.name): port.preferred for role, usual in USUAL_PORTS.items() for port in usual}
    own = {Role.MASTER: spec.master.conf, Role.WORKER: spec.workers.conf, Role.CONNECT: spec.connect.conf}
    for key, (role, name) in PORT_KEYS.items():
        asked = (_resolved(spec.spark.conf) | _resolved(own[role])).get(key, "").strip()
        if asked.isascii() and asked.isdigit() and int(asked) < 65536:
            ports[role, name] = int(asked)
    return ports


def _driver(spec: ClusterSpec, defaults: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    shared = _shared(spec, Reader.DRIVER)
    # A directory alone logs nothing (EVT-02).
    logging = {"spark.eventLog.enabled": "true"} if "spark.eventLog.dir" in {**shared, **own} else {}
    asked = _layered({**defaults, **_executors(spec), **logging}, shared, own)
    return dict(sorted({**_executor_jvm(spec, asked), **asked}.items()))


def _executor_jvm(spec: ClusterSpec, conf: Mapping[str, str]) -> dict[str, str]:
    """Return how executors' JVMs are tuned; `extraJavaOptions` come after it and are the owner's."""
    if spec.executors.memory is None:
        return {}
    options = conf.get("spark.executor.extraJavaOptions", "").split()
    return {"spark.executor.defaultJavaOptions": " ".join(working_jvm(spec.executors.memory, options))}


def _shared(spec: ClusterSpec, reader: Reader) -> dict[str, str]:
    return {key: value for key, value in spec.spark.conf.items() if reader_of(key) in (reader, Reader.ANYONE)}


def _executors(spec: ClusterSpec) -> dict[str, str]:
    size = {}
    if spec.executors.cores is not None:
        size["spark.executor.cores"] = str(spec.executors.cores)
    if spec.executors.memory is not None:
        size["spark.executor.memory"] = show_memory(spec.executors.memory)
    return size


def _layered(*layers: Mapping[str, str]) -> dict[str, str]:
    """Put the layers over each other, the last on top, sorted by key so that equal specs give equal plans."""
    merged = dict(_EVERY_ROLE)
    for layer in layers:
        merged |= _resolved(layer)
    return {key: merged[key] for key in sorted(merged) if key not in PORT_KEYS}


def _resolved(conf: Mapping[str, str]) -> dict[str, str]:
    """Write aliases as the keys that they mean; a real key in the same layer wins."""
    meant = {ALIASES[key]: value for key, value in conf.items() if key in ALIASES}
    return meant | {key: value for key, value in conf.items() if key not in ALIASES}
