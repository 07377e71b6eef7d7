"""Defaults: what an owner left out, fitted to where the nodes will run, and said in words.

Half of the machine's memory is the aim, because a laptop also runs a browser and an editor; where half is too
little for the smallest cluster, more is taken, down to machines of 2.5 GiB. What is chosen is a limit: an idle
default cluster uses about 1.5 GB of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fireside.errors import Unsupported
from fireside.model import conf, sizing, versions
from fireside.model.fitting import Nodes, check_room
from fireside.model.quantity import show_memory
from fireside.model.sizing import Room, WorkerAsked
from fireside.model.spec import ClusterSpec, ConnectSpec, ExecutorSpec, WorkerSpec
from fireside.model.state import Role, Topology

MASTER = 368
"""Memory of a master. It runs no work, so the machine's size does not matter."""
CONNECT = (896, 2048)
"""Least and most memory of a Connect server with executors elsewhere; between them an eighth of the machine."""
SINGLE = (1024, 4096)
"""Least and most memory of one that does all work; between them a quarter of the machine."""
WORKER = (1296, 4096)
"""Least and most memory of a worker; between them its share of half the machine."""
MOST_CORES = 4
"""Cores of a worker, or of a single Connect server; the least is one."""
MOST_WORKERS = 2
_PER_CORE = 256
"""MiB for each core after the first: its Python worker, and as much heap."""
_STEP = 128


@dataclass(frozen=True, slots=True)
class Fitted:
    """A spec with every size filled in, and what was chosen and why, in sentences."""

    spec: ClusterSpec
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the owner asked for before, and what it was fitted to."""

    asked: ClusterSpec
    fitted: ClusterSpec


def fit(spec: ClusterSpec, room: Room, earlier: Earlier | None = None) -> Fitted:
    """Fill what `spec` leaves out so that it fits into `room`. Fitting what is fitted changes nothing.

    With `earlier`, sizes that were chosen then are kept while the owner asks for nothing else about the workers
    than their number: so a change of the count restarts no worker. Raises DoesNotFit with numbers that would fit, and
    Unsupported for versions and topologies that cannot work here.
    """
    notes: list[str] = []
    fitted = _keep(_with_version(spec, room, notes), earlier)
    match fitted.topology:
        case Topology.SINGLE:
            fitted = _single(fitted, room, notes)
        case Topology.STANDALONE:
            fitted = _standalone(fitted, room, notes)
    return Fitted(fitted, tuple(notes))


# ------------------------------------------------------------------------------------------- versions


def _with_version(spec: ClusterSpec, room: Room, notes: list[str]) -> ClusterSpec:
    asked = spec.spark.version
    if asked is None:
        found = room.spark
        release = versions.release(found, installed=True) if found else versions.newest()
        notes.append(
            f"Spark {release.version}: "
            + ("that of the pyspark found here" if found else "the newest that is supported")
        )
    else:
        release = versions.release(asked, installed=asked == room.spark)
        _check_found(release, room)
    versions.check_topology(release, spec.topology)
    if room.python is not None:
        versions.check_python(release, room.python)
    if room.javas and not any(versions.java_fits(release, java) for java in room.javas):
        versions.check_java(release, room.javas[0])
    changes: dict[str, object] = {"spark": spec.spark.model_copy(update={"version": release.version})}
    if not release.connect and spec.connect.enabled:
        if spec.connect.model_fields_set:
            versions.check_connect(release)
        notes.append(f"no Connect server: Spark {release.version} cannot serve one safely; bring a driver of your own")
        changes["connect"] = ConnectSpec(enabled=False)
    return spec.model_copy(update=changes)


def _check_found(release: versions.Release, room: Room) -> None:
    if room.spark is None or room.spark == release.version:
        return
    raise Unsupported(
        f"Spark {release.version} is asked for, the pyspark found here is {room.spark}",
        field="spark.version",
        found=release.version,
        allowed=room.spark,
        hint=f"pip install '{release.package}' here, or set spark.python to a Python that has it",
    )


# ----------------------------------------------------------------------------------------- what was chosen before


def _keep(spec: ClusterSpec, earlier: Earlier | None) -> ClusterSpec:
    if earlier is None or earlier.asked.topology is not spec.topology:
        return spec
    changes: dict[str, object] = {}
    if _same_workers(spec, earlier.asked):
        kept = earlier.fitted.workers
        sizes = {"cores": kept.cores, "memory": kept.memory}
        if spec.workers.count is None and earlier.asked.workers.count is None:
            sizes["count"] = kept.count
        changes["workers"] = spec.workers.model_copy(update=sizes)
    if spec.connect.enabled and spec.connect.memory is None and earlier.asked.connect.memory is None:
        changes["connect"] = spec.connect.model_copy(update={"memory": earlier.fitted.connect.memory})
    return spec.model_copy(update=changes)


def _same_workers(spec: ClusterSpec, before: ClusterSpec) -> bool:
    """Whether nothing that decides a worker's size was asked differently."""
    uncounted = [each.workers.model_copy(update={"count": None}) for each in (spec, before)]
    beside = [sizing.beside_of(conf.role_conf(each, Role.CONNECT)) for each in (spec, before)]
    return uncounted[0] == uncounted[1] and spec.executors == before.executors and beside[0] == beside[1]


# ------------------------------------------------------------------------------------------- topologies


def _single(spec: ClusterSpec, room: Room, notes: list[str]) -> ClusterSpec:
    asked = spec.connect
    beside = sizing.beside_of(conf.role_conf(spec, Role.CONNECT))
    least = sizing.least_connect(asked.cores or 1, beside)
    memory = asked.memory or max(least, _between(room.memory // 4, SINGLE))
    cores = asked.cores or _cores_for(memory - least, room.cores)
    sizing.connect(memory, cores=cores, beside=beside)
    if asked.cores is None or asked.memory is None:
        notes.append(f"one Connect server with {_cores(cores)} and {show_memory(memory)}: {_machine(room)}")
    _check(spec, (Nodes(Role.CONNECT, 1, cores, memory),), room, notes)
    return spec.model_copy(update={"connect": asked.model_copy(update={"cores": cores, "memory": memory})})


def _standalone(spec: ClusterSpec, room: Room, notes: list[str]) -> ClusterSpec:
    master = spec.master.model_copy(update={"cores": spec.master.cores or 1, "memory": spec.master.memory or MASTER})
    nodes = [Nodes(Role.MASTER, 1, master.cores or 1, master.memory or MASTER)]
    sizing.master(nodes[0].memory)
    changes: dict[str, object] = {"master": master}
    if spec.connect.enabled:
        connect = spec.connect.model_copy(
            update={
                "cores": spec.connect.cores or 1,
                "memory": spec.connect.memory or _between(room.memory // 8, CONNECT),
            }
        )
        nodes.append(Nodes(Role.CONNECT, 1, connect.cores or 1, connect.memory or CONNECT[0]))
        sizing.connect(nodes[-1].memory)
        changes["connect"] = connect
    workers, executors = _workers(spec, room, sum(node.memory for node in nodes), notes)
    nodes.append(Nodes(Role.WORKER, workers.count or 1, workers.cores or 1, workers.memory or 0))
    _check(spec, tuple(nodes), room, notes)
    return spec.model_copy(update={**changes, "workers": workers, "executors": executors})


def _workers(spec: ClusterSpec, room: Room, others: int, notes: list[str]) -> tuple[WorkerSpec, ExecutorSpec]:
    """Return the filled workers and executors; `others` is the memory of all other nodes."""
    asked = spec.workers
    share = room.memory // 2 - others
    least = sizing.least_worker(_asked(spec, asked.cores or spec.executors.cores or 1))
    count = asked.count or _count(asked, room, share, least)
    each = asked.memory or max(least, _between(share // count, WORKER))
    cores = asked.cores or _worker_cores(spec, room.cores // count, each - least)
    size = sizing.worker(_asked(spec, cores, asked.memory if asked.spark_memory else each))
    limit, offer = size.budget.limit, size.offer.memory
    if None in (asked.count, asked.cores, asked.memory):
        notes.append(
            f"{count} worker{'s' if count > 1 else ''} with {_cores(cores)} and {show_memory(limit)}"
            f"{' each' if count > 1 else ''}, of which executors may take {show_memory(offer)}: {_machine(room)}"
        )
    workers = asked.model_copy(update={"count": count, "cores": cores, "memory": limit})
    sizes = {"cores": size.executor.cores, "memory": size.executor.memory}
    return workers, spec.executors.model_copy(update=sizes)


def _worker_cores(spec: ClusterSpec, share: int, spare: int) -> int:
    """Return the cores of a worker from its share of the machine's, and the memory that it has above the least."""
    if spec.workers.spark_memory is not None and spec.workers.memory is None:
        cores = _between(share, (1, MOST_CORES))  # the limit follows the cores, not the other way round
    else:
        cores = _cores_for(spare, share)
    return max(cores, spec.executors.cores or 1)


def _cores_for(spare: int, most: int) -> int:
    return max(1, min(most, MOST_CORES, 1 + spare // _PER_CORE))


def _asked(spec: ClusterSpec, cores: int, memory: int | None = None) -> WorkerAsked:
    return WorkerAsked(
        cores=cores,
        memory=memory,
        offer=spec.workers.spark_memory,
        executor_cores=spec.executors.cores,
        executor_heap=spec.executors.memory,
        beside=sizing.beside_of(conf.role_conf(spec, Role.CONNECT)),
    )


def _count(asked: WorkerSpec, room: Room, share: int, least: int) -> int:
    """Return two workers where half of the machine holds two, else one."""
    each = asked.memory or max(asked.spark_memory or 0, least)
    return MOST_WORKERS if share >= MOST_WORKERS * each and room.cores >= MOST_WORKERS else 1


def _check(spec: ClusterSpec, nodes: tuple[Nodes, ...], room: Room, notes: list[str]) -> None:
    needed = sum(node.count * node.memory for node in nodes)
    if spec.overcommit:
        if needed > room.memory:
            notes.append(f"overcommitted: {needed}m on a machine of {room.memory}m; nodes may be killed")
        return
    check_room(nodes, room)
    busy = sum(node.count * node.cores for node in nodes if node.role is Role.WORKER)
    if busy > room.cores:
        notes.append(f"the workers have {busy} cores together, the machine has {room.cores}: they share them")


def _between(value: int, bounds: tuple[int, int]) -> int:
    least, most = bounds
    return max(least, min(most, value // _STEP * _STEP if least >= _STEP else value))


def _machine(room: Room) -> str:
    return f"the machine has {_cores(room.cores)} and {show_memory(room.memory)}"


def _cores(count: int) -> str:
    return f"{count} core{'s' if count > 1 else ''}"
