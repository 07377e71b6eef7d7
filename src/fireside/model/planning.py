"""Planning: a fitted spec written as groups of nodes, with their order, ports, probes, sizes and configuration."""

from __future__ import annotations

from typing import TypeVar

from fireside.errors import InternalError
from fireside.model import conf, sizing, versions
from fireside.model.plan import Group, Plan, Port, Probe, SecretName
from fireside.model.sizing import Beside, WorkerAsked, WorkerSize
from fireside.model.spec import ClusterSpec
from fireside.model.state import Role, Topology

_T = TypeVar("_T")
_PROBES = {Role.MASTER: Probe.MASTER, Role.WORKER: Probe.REGISTERED, Role.CONNECT: Probe.HANDSHAKE}


def build(spec: ClusterSpec) -> Plan:
    """Return the plan of a spec that `defaults.fit` filled.

    Raises DoesNotFit and Unsupported as `fit` does: a spec that it accepted is accepted here.
    """
    version = _filled(spec.spark.version, "spark.version")
    release = versions.release(version, installed=True)
    versions.check_topology(release, spec.topology)
    if spec.connect.enabled:
        versions.check_connect(release)
    beside = sizing.beside_of(conf.role_conf(spec, Role.CONNECT))
    match spec.topology:
        case Topology.SINGLE:
            groups: tuple[Group, ...] = (_single(spec, beside),)
            executor = None
        case Topology.STANDALONE:
            size = _worker_size(spec, beside)
            executor = size.executor
            groups = (_master(spec), _workers(spec, size))
            if spec.connect.enabled:
                groups = (*groups, _connect(spec))
    return Plan(
        topology=spec.topology,
        backend=spec.backend,
        spark=release.version,
        python=spec.spark.python,
        groups=groups,
        executor=executor,
        driver=conf.driver_conf(spec),
        jars=spec.spark.jars,
        packages=spec.spark.packages,
        requirements=spec.spark.requirements,
        workspace=spec.workspace,
        secrets=_secrets(spec),
    )


def _secrets(spec: ClusterSpec) -> tuple[SecretName, ...]:
    names = []
    if spec.topology is Topology.STANDALONE:
        names.append(SecretName.RPC)
    if spec.connect.enabled:
        names.append(SecretName.CONNECT_TOKEN)
    return tuple(names)


def _master(spec: ClusterSpec) -> Group:
    budget = sizing.master(_filled(spec.master.memory, "master.memory"))
    return Group(
        role=Role.MASTER,
        count=1,
        cores=_filled(spec.master.cores, "master.cores"),
        budget=budget,
        heap=budget.of("heap"),
        conf=conf.role_conf(spec, Role.MASTER),
        ports=_ports(spec, Role.MASTER),
        probe=_PROBES[Role.MASTER],
    )


def _worker_size(spec: ClusterSpec, beside: Beside) -> WorkerSize:
    return sizing.worker(
        WorkerAsked(
            cores=_filled(spec.workers.cores, "workers.cores"),
            memory=_filled(spec.workers.memory, "workers.memory"),
            offer=spec.workers.spark_memory,
            executor_cores=spec.executors.cores,
            executor_heap=spec.executors.memory,
            beside=beside,
        )
    )


def _workers(spec: ClusterSpec, size: WorkerSize) -> Group:
    return Group(
        role=Role.WORKER,
        count=_filled(spec.workers.count, "workers.count"),
        cores=size.offer.cores,
        budget=size.budget,
        heap=size.budget.of("daemon heap"),
        offer=size.offer,
        conf=conf.role_conf(spec, Role.WORKER),
        ports=_ports(spec, Role.WORKER),
        after=(Role.MASTER,),
        probe=_PROBES[Role.WORKER],
    )


def _connect(spec: ClusterSpec) -> Group:
    """The driver waits for the master alone: a driver that finds none waits 20 s, executors may come later."""
    budget = sizing.connect(_filled(spec.connect.memory, "connect.memory"))
    return Group(
        role=Role.CONNECT,
        count=1,
        cores=_filled(spec.connect.cores, "connect.cores"),
        budget=budget,
        heap=budget.of("heap"),
        conf=conf.role_conf(spec, Role.CONNECT),
        ports=_ports(spec, Role.CONNECT),
        after=(Role.MASTER,),
        probe=_PROBES[Role.CONNECT],
    )


def _single(spec: ClusterSpec, beside: Beside) -> Group:
    cores = _filled(spec.connect.cores, "connect.cores")
    budget = sizing.connect(_filled(spec.connect.memory, "connect.memory"), cores=cores, beside=beside)
    return Group(
        role=Role.CONNECT,
        count=1,
        cores=cores,
        budget=budget,
        heap=budget.of("heap"),
        conf=conf.role_conf(spec, Role.CONNECT),
        ports=_ports(spec, Role.CONNECT),
        probe=_PROBES[Role.CONNECT],
    )


def _ports(spec: ClusterSpec, role: Role) -> tuple[Port, ...]:
    wanted = conf.preferred_ports(spec)
    return tuple(Port(name=name, preferred=number) for (of, name), number in wanted.items() if of is role)


def _filled(value: _T | None, field: str) -> _T:
    if value is None:
        raise InternalError(f"a plan was built from a spec that was not fitted: {field} is not set", field=field)
    return value
