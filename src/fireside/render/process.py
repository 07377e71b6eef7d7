"""A node of a plan as one process: arguments, environment, files and directories.

The plan says what follows from the spec; a :class:`Site` says what a backend knows of the place. Together they are
all that a process needs: the environment is whole (nothing is inherited), secrets stand only in 0600 files that the
JVM reads, and everything listens on the site's host alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from pydantic import SecretStr

from fireside.errors import InternalError, Unsupported
from fireside.model import spark, versions
from fireside.model.plan import Group, Node, Plan, SecretName, node_name
from fireside.model.state import Role, Topology
from fireside.ports import Address
from fireside.render.confdir import File, conf_files
from fireside.render.driver import dependencies

_SEPARATORS = frozenset(':,;"\n')
"""What ends a path in a class path, a list of local directories, a Derby address or options for a JVM."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a backend knows about the place where a node runs. Paths are absolute."""

    java_home: str
    """`$JAVA_HOME/bin/java` starts the node, and the executors of a worker."""
    java_major: int
    spark_home: str
    python: str
    """Interpreter of Python workers, with the plan's requirements in it."""
    node_dir: str
    """The node's own: conf, work and local are made in it."""
    data_dir: str
    """The cluster's: warehouse and metastore are made in it."""
    recovery_dir: str
    """Where the cluster's master keeps what it needs after a crash."""
    workspace: str
    host: str
    """The only address that anything listens on."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """This node's ports by name (`model.spark.USUAL_PORTS`)."""
    peers: Mapping[tuple[str, str], Address] = field(default_factory=dict)
    """Where other nodes answer, by (node, name of the port)."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Labels, and what else is passed on (`PATH`, `HOME`, `LANG`)."""

    @property
    def conf_dir(self) -> str:
        """Where the node's configuration files stand."""
        return f"{self.node_dir}/conf"

    @property
    def local_dir(self) -> str:
        """Where shuffle files, spilled data and temporary files go."""
        return f"{self.node_dir}/local"


@dataclass(frozen=True, slots=True)
class ProcessDefinition:
    """All that is needed to start a node as a process."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """The whole environment; holds no secret."""
    files: tuple[File, ...]
    directories: tuple[str, ...]
    """Made 0700 before the start, parents included."""
    directory: str
    """Where it is started: what Spark or user code writes to a relative path lands there."""


def process(plan: Plan, node: Node, site: Site, secrets: Mapping[SecretName, SecretStr]) -> ProcessDefinition:
    """Return how `node` of `plan` is started on `site`.

    Raises Unsupported for directories that Spark cannot use, and InternalError when the site lacks a port or an
    address, or `secrets` a secret, that the node needs.
    """
    _check_paths(site)
    group = plan.group(node.role)
    if group is None:
        raise InternalError(f"the plan has no group for the node {node.name}")
    conf = _node_conf(plan, group, site, secrets)
    jvm = spark.Jvm(
        java=f"{site.java_home}/bin/java",
        major=site.java_major,
        class_path=(site.conf_dir, *_split(conf.get("spark.driver.extraClassPath"), ":"), f"{site.spark_home}/jars/*"),
        heap=group.heap,
        properties=_system_properties(site),
        options=_driver_options(group, conf),
    )
    return ProcessDefinition(
        argv=spark.command(jvm, node.role, _program(group, site)),
        environment={**site.environment, **group.environment, **_environment(plan, site, node.role)},
        files=conf_files(site.conf_dir, conf),
        directories=_directories(node.role, site),
        directory=f"{site.node_dir}/work",
    )


# ------------------------------------------------------------------------------------------ configuration


def _node_conf(plan: Plan, group: Group, site: Site, secrets: Mapping[SecretName, SecretStr]) -> dict[str, str]:
    """Put what is placed here under, and what Fireside owns over, the configuration of the plan."""
    placed: dict[str, str] = {}
    owned = {"spark.local.dir": site.local_dir, "spark.authenticate": "true", "spark.port.maxRetries": "0"}
    match group.role:
        case Role.MASTER:
            owned |= {"spark.deploy.recoveryDirectory": site.recovery_dir, **_rpc(secrets)}
        case Role.WORKER:
            owned |= _rpc(secrets)
        case Role.CONNECT:
            placed = _catalog(site)
            owned |= _connect(plan, group, site, secrets)
        case _:
            assert_never(group.role)
    return {**placed, **group.conf, **owned}


def _catalog(site: Site) -> dict[str, str]:
    """Return where tables live, unless the owner's configuration names another place."""
    return {
        "spark.sql.warehouse.dir": f"{site.data_dir}/warehouse",
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={site.data_dir}/metastore;create=true"
        ),
    }


def _connect(plan: Plan, group: Group, site: Site, secrets: Mapping[SecretName, SecretStr]) -> dict[str, str]:
    single = plan.topology is Topology.SINGLE
    return {
        "spark.app.name": "fireside",
        "spark.master": f"local[{group.cores}]" if single else _master_url(site),
        "spark.connect.grpc.binding.address": site.host,
        "spark.connect.grpc.binding.port": str(_port(site, spark.GRPC)),
        "spark.connect.authenticate.token": _secret(secrets, SecretName.CONNECT_TOKEN),
        "spark.ui.port": str(_port(site, spark.UI)),
        **_driver_address(site),
        **dependencies(plan),
        # With local[N] Spark makes an RPC secret of its own, that never leaves the process.
        **({} if single else _rpc(secrets)),
    }


def _driver_address(site: Site) -> dict[str, str]:
    return {"spark.driver.host": site.host, "spark.driver.bindAddress": site.host}


def _rpc(secrets: Mapping[SecretName, SecretStr]) -> dict[str, str]:
    return {"spark.authenticate.secret": _secret(secrets, SecretName.RPC)}


def _secret(secrets: Mapping[SecretName, SecretStr], name: SecretName) -> str:
    if name not in secrets:
        raise InternalError(f"the secret {name.value} of the cluster is missing")
    return secrets[name].get_secret_value()


# ------------------------------------------------------------------------------------------------ command


def _program(group: Group, site: Site) -> tuple[str, ...]:
    match group.role:
        case Role.MASTER:
            return spark.master_program(site.host, _port(site, spark.RPC), _port(site, spark.UI))
        case Role.WORKER:
            if group.offer is None:
                raise InternalError("the plan's workers offer nothing to executors")
            address = spark.WorkerAddress(
                site.host, _port(site, spark.RPC), _port(site, spark.UI), master=_master_url(site)
            )
            return spark.worker_program(address, group.offer, f"{site.node_dir}/work")
        case Role.CONNECT:
            return spark.connect_program(f"{site.conf_dir}/spark-defaults.conf")
    assert_never(group.role)


def _driver_options(group: Group, conf: Mapping[str, str]) -> tuple[str, ...]:
    """Return the JVM options that the owner wants for the driver: Spark's launcher would add them, we have none."""
    if group.role is not Role.CONNECT:
        return ()
    keys = ("spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions")
    return tuple(option for key in keys for option in shlex.split(conf.get(key, "")))


def _system_properties(site: Site) -> dict[str, str]:
    return {
        "java.io.tmpdir": site.local_dir,
        # Else Derby writes it where the process was started.
        "derby.stream.error.file": f"{site.local_dir}/derby.log",
    }


def _port(site: Site, name: str) -> int:
    if name not in site.ports:
        raise InternalError(f"no port was chosen for {name}")
    return site.ports[name]


def _master_url(site: Site) -> str:
    key = (node_name(Role.MASTER, 1), spark.RPC)
    if key not in site.peers:
        raise InternalError("the master's address is not known yet")
    return f"spark://{site.peers[key]}"


# -------------------------------------------------------------------------------- environment, directories


def _environment(plan: Plan, site: Site, role: Role) -> dict[str, str]:
    environment = {
        "JAVA_HOME": site.java_home,
        "SPARK_HOME": site.spark_home,
        "SPARK_CONF_DIR": site.conf_dir,
        "SPARK_LOCAL_IP": site.host,
        "SPARK_LOCAL_HOSTNAME": site.host,
        "SPARK_PUBLIC_DNS": site.host,
        "SHARED_WORKSPACE": site.workspace,
        "PYSPARK_PYTHON": site.python,
        # Else a worker looks for a build of Spark to tell its Scala from, and fails every executor.
        "SPARK_SCALA_VERSION": versions.release(plan.spark, installed=True).scala,
        # Python workers and their children put temporary files where the node's own clean-up finds them.
        "TMPDIR": site.local_dir,
        # A JVM in the C locale cannot open files whose names are not ASCII: not even its own jars.
        "LC_ALL": "C.UTF-8",
    }
    if role is Role.WORKER:
        # Executors inherit it: a worker kills them hard, and what they unpacked would stay in /tmp for ever.
        environment["JDK_JAVA_OPTIONS"] = f'{spark.NO_PERF_DATA} "-Djava.io.tmpdir={site.local_dir}"'
    return environment


def _check_paths(site: Site) -> None:
    for path in (site.node_dir, site.data_dir, site.spark_home):
        found = sorted(_SEPARATORS & set(path))
        if found:
            raise Unsupported(
                f"Spark cannot work in the directory {path!r}: it takes {' '.join(map(repr, found))} for a separator",
                found=path,
                hint="use a directory whose whole path has none of these characters",
            )


def _directories(role: Role, site: Site) -> tuple[str, ...]:
    own = tuple(f"{site.node_dir}/{name}" for name in ("conf", "work", "local"))
    match role:
        case Role.MASTER:
            return (*own, site.recovery_dir)
        case Role.WORKER:
            return (*own, site.workspace)
        case Role.CONNECT:
            # Derby makes the metastore's directory itself, and refuses one that is there and empty.
            return (*own, site.workspace, f"{site.data_dir}/warehouse")
    assert_never(role)


def _split(text: str | None, separator: str) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(separator) if part)
