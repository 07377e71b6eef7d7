"""Nodes as processes: what is started, with which configuration, and that no secret shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from fireside.errors import InternalError, Unsupported
from fireside.model import conf
from fireside.model.plan import Budget, Group, Node, Offer, Plan, Probe, SecretName, node_name
from fireside.model.spark import USUAL_PORTS
from fireside.model.spec import ClusterSpec
from fireside.model.state import Role, Topology
from fireside.ports import Address
from fireside.render import process as render
from fireside.render.confdir import File
from fireside.render.driver import driver_conf
from fireside.render.process import ProcessDefinition, Site

SECRETS = {SecretName.RPC: SecretStr("rpc-hunter2"), SecretName.CONNECT_TOKEN: SecretStr("token-hunter2")}
PORTS = {
    "master": {"rpc": 7077, "ui": 8080},
    "worker-1": {"rpc": 30001, "ui": 8081},
    "connect": {"grpc": 15002, "ui": 4040},
}
PROBES = {Role.MASTER: Probe.MASTER, Role.WORKER: Probe.REGISTERED, Role.CONNECT: Probe.HANDSHAKE}


def plan(**fields: Any) -> Plan:
    """Return a plan as planning makes it, with round numbers for sizes."""
    spec = ClusterSpec.model_validate(fields)
    roles = [Role.CONNECT] if spec.topology is Topology.SINGLE else list(Role)
    return Plan(
        topology=spec.topology,
        backend="local",
        spark="4.3.0",
        groups=tuple(
            Group(
                role=role,
                count=1,
                cores=3,
                budget=Budget(limit=512, parts=()),
                heap=256,
                offer=Offer(cores=2, memory=1536) if role is Role.WORKER else None,
                conf=conf.role_conf(spec, role),
                environment={"OF_THE_GROUP": role.value},
                ports=USUAL_PORTS[role],
                probe=PROBES[role],
            )
            for role in roles
        ),
        driver=conf.driver_conf(spec),
        jars=spec.spark.jars,
        packages=spec.spark.packages,
    )


def site(name: str, **fields: Any) -> Site:
    values: dict[str, Any] = {
        "java_home": "/jdk",
        "java_major": 17,
        "spark_home": "/spark",
        "python": "/venv/bin/python",
        "node_dir": f"/c/nodes/{name}",
        "data_dir": "/c/data",
        "recovery_dir": "/c/recovery",
        "workspace": "/shared",
        "host": "127.0.0.1",
        "ports": PORTS.get(name, {}),
        "peers": {(node, port): Address("127.0.0.1", n) for node, ports in PORTS.items() for port, n in ports.items()},
        "environment": {"PATH": "/usr/bin", "FIRESIDE_NODE": name},
    }
    return Site(**(values | fields))


def start(role: Role, of: Plan | None = None, **fields: Any) -> ProcessDefinition:
    name = node_name(role, 1)
    return render.process(of or plan(), Node(role, 1, name), site(name, **fields), SECRETS)


def configuration(files: tuple[File, ...]) -> dict[str, str]:
    """Read the properties back; the values used here need no unescaping but that of `:` and `=`."""
    text = next(file.text for file in files if file.path.endswith("/spark-defaults.conf"))
    pairs = (line.replace("\\:", ":").replace("\\=", "\0").split("=", 1) for line in text.splitlines())
    return {key: value.replace("\0", "=") for key, value in pairs}


def shown(definition: ProcessDefinition) -> Iterator[str]:
    yield from definition.argv
    yield from definition.environment
    yield from definition.environment.values()
    yield from definition.directories
    yield from (repr(definition), str(definition), repr(definition.files))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("topology", list(Topology))
def test_no_secret_shows_outside_of_owner_only_files(role: Role, topology: Topology) -> None:  # SEC-03, SEC-04
    of = plan(topology=topology)
    if of.group(role) is None:
        return
    definition = start(role, of)
    assert not any("hunter2" in text for text in shown(definition))
    assert {file.mode for file in definition.files} == {0o600}


def test_the_master_recovers_from_the_clusters_directory_and_shares_the_clusters_secret() -> None:  # STD-17
    definition = start(Role.MASTER)
    found = configuration(definition.files)
    assert found["spark.deploy.recoveryMode"] == "FILESYSTEM"
    assert found["spark.deploy.recoveryDirectory"] == "/c/recovery"
    assert found["spark.authenticate"] == "true"
    assert found["spark.authenticate.secret"] == "rpc-hunter2"
    assert found["spark.master.rest.enabled"] == "false"
    assert "/c/recovery" in definition.directories


def test_a_worker_registers_with_the_master_and_offers_what_the_plan_says() -> None:  # STD-05, STD-06
    argv = start(Role.WORKER).argv
    arguments = dict(zip(argv[argv.index("--host") :: 2], argv[argv.index("--host") + 1 :: 2], strict=False))
    assert argv[-1] == "spark://127.0.0.1:7077"
    assert arguments == {
        "--host": "127.0.0.1",
        "--port": "30001",
        "--webui-port": "8081",
        "--cores": "2",
        "--memory": "1536m",
        "--work-dir": "/c/nodes/worker-1/work",
    }


def test_executors_of_a_worker_put_temporary_files_where_the_workers_clean_up_finds_them() -> None:
    definition = start(Role.WORKER, node_dir="/a b/worker-1")
    assert '"-Djava.io.tmpdir=/a b/worker-1/local"' in definition.environment["JDK_JAVA_OPTIONS"]
    assert "JDK_JAVA_OPTIONS" not in start(Role.MASTER).environment


def test_the_connect_server_listens_on_its_host_alone_and_asks_for_its_token() -> None:  # CON-02, SEC-04
    found = configuration(start(Role.CONNECT).files)
    assert found["spark.master"] == "spark://127.0.0.1:7077"
    assert found["spark.connect.grpc.binding.address"] == "127.0.0.1"
    assert found["spark.connect.grpc.binding.port"] == "15002"
    assert found["spark.connect.authenticate.token"] == "token-hunter2"
    assert found["spark.authenticate.secret"] == "rpc-hunter2"
    assert found["spark.driver.host"] == found["spark.driver.bindAddress"] == "127.0.0.1"
    assert found["spark.ui.port"] == "4040"


def test_a_single_server_does_all_work_with_its_cores_and_needs_no_secret_of_a_cluster() -> None:
    of = plan(topology="single")
    only_token = {SecretName.CONNECT_TOKEN: SECRETS[SecretName.CONNECT_TOKEN]}
    definition = render.process(of, Node(Role.CONNECT, 1, "connect"), site("connect", peers={}), only_token)
    found = configuration(definition.files)
    assert found["spark.master"] == "local[3]"
    assert found["spark.authenticate"] == "true"
    assert "spark.authenticate.secret" not in found


@pytest.mark.parametrize("role", list(Role))
def test_every_node_keeps_to_its_place(role: Role) -> None:  # STD-08, STD-11
    definition = start(role)
    home = f"/c/nodes/{node_name(role, 1)}"
    found = configuration(definition.files)
    environment = definition.environment
    assert found["spark.local.dir"] == f"{home}/local"
    assert found["spark.port.maxRetries"] == "0"
    assert environment["SPARK_CONF_DIR"] == f"{home}/conf"
    for variable in ("SPARK_LOCAL_IP", "SPARK_LOCAL_HOSTNAME", "SPARK_PUBLIC_DNS"):
        assert environment[variable] == "127.0.0.1"
    assert environment["SHARED_WORKSPACE"] == "/shared"
    assert environment["PYSPARK_PYTHON"] == "/venv/bin/python"
    assert environment["SPARK_SCALA_VERSION"] == "2.13"
    assert definition.directory in definition.directories
    assert all(file.path.rsplit("/", 1)[0] in definition.directories for file in definition.files)
    assert f"-Djava.io.tmpdir={home}/local" in definition.argv


def test_the_environment_is_what_the_place_passes_and_the_group_adds_and_no_more() -> None:
    environment = start(
        Role.MASTER, environment={"PATH": "/bin", "SPARK_HOME": "/elsewhere", "OF_THE_GROUP": ""}
    ).environment
    assert environment["PATH"] == "/bin"
    assert environment["OF_THE_GROUP"] == "master"
    assert environment["SPARK_HOME"] == "/spark"
    assert "HOME" not in environment


def test_tables_live_in_the_clusters_data_and_survive_the_node() -> None:
    definition = start(Role.CONNECT)
    found = configuration(definition.files)
    assert found["spark.sql.warehouse.dir"] == "/c/data/warehouse"
    assert found["spark.hadoop.javax.jdo.option.ConnectionURL"] == (
        "jdbc:derby:;databaseName=/c/data/metastore;create=true"
    )
    assert "/c/data/metastore" not in definition.directories  # Derby refuses a directory that it did not make


def test_an_owner_may_keep_tables_elsewhere_but_not_move_what_fireside_places() -> None:
    asked = {
        "spark.sql.warehouse.dir": "s3a://lake/tables",
        "spark.local.dir": "/tmp/x",
        "spark.driver.host": "0.0.0.0",
    }
    found = configuration(start(Role.CONNECT, plan(connect={"conf": asked})).files)
    assert found["spark.sql.warehouse.dir"] == "s3a://lake/tables"
    assert found["spark.local.dir"] == "/c/nodes/connect/local"
    assert found["spark.driver.host"] == "127.0.0.1"


def test_jars_and_packages_reach_every_driver_and_no_daemon() -> None:
    of = plan(spark={"jars": ["/a.jar", "/b.jar"], "packages": ["g:a:1"]})
    connect = configuration(start(Role.CONNECT, of).files)
    own = driver_conf(of, Address("127.0.0.1", 7077), "/shared")
    for found in (connect, own):
        assert (found["spark.jars"], found["spark.jars.packages"]) == ("/a.jar,/b.jar", "g:a:1")
    assert "spark.jars" not in configuration(start(Role.WORKER, of).files)


def test_what_sparks_launcher_would_add_for_the_driver_is_added() -> None:
    asked = {"spark.driver.extraJavaOptions": "-Da='b c' -Dd=e", "spark.driver.extraClassPath": "/x.jar:/y/*"}
    definition = start(Role.CONNECT, plan(connect={"conf": asked}))
    assert {"-Da=b c", "-Dd=e"} <= set(definition.argv)
    assert definition.argv[definition.argv.index("-cp") + 1] == "/c/nodes/connect/conf:/x.jar:/y/*:/spark/jars/*"


@pytest.mark.parametrize("role", list(Role))
def test_logs_are_plain_lines_on_standard_error(role: Role) -> None:  # STD-10
    log = next(file.text for file in start(role).files if file.path.endswith("/log4j2.properties"))
    assert "SYSTEM_ERR" in log
    assert "PatternLayout" in log


def test_the_same_plan_and_place_give_the_same_definition() -> None:
    assert start(Role.CONNECT) == start(Role.CONNECT)


class TestWhatIsMissing:
    def test_a_port(self) -> None:
        with pytest.raises(InternalError, match="ui"):
            start(Role.MASTER, ports={"rpc": 7077})

    def test_the_masters_address(self) -> None:
        with pytest.raises(InternalError, match="master"):
            start(Role.WORKER, peers={})

    def test_a_secret(self) -> None:
        with pytest.raises(InternalError, match="rpc"):
            render.process(plan(), Node(Role.MASTER, 1, "master"), site("master"), {})

    def test_a_group(self) -> None:
        with pytest.raises(InternalError, match="worker-1"):
            start(Role.WORKER, plan(topology="single"))

    def test_what_a_worker_offers(self) -> None:
        of = plan()
        bare = tuple(group.model_copy(update={"offer": None}) for group in of.groups)
        with pytest.raises(InternalError, match="offer"):
            start(Role.WORKER, of.model_copy(update={"groups": bare}))


@pytest.mark.parametrize("separator", [":", ",", ";", '"', "\n"])
@pytest.mark.parametrize("place", ["node_dir", "data_dir", "spark_home"])
def test_a_directory_that_spark_would_split_is_refused_by_name(place: str, separator: str) -> None:
    path = f"/home/a{separator}b"
    placed: dict[str, Any] = {place: path}
    with pytest.raises(Unsupported, match="separator") as error:
        start(Role.CONNECT, **placed)
    assert error.value.found == path


def test_blanks_and_other_alphabets_in_a_directory_are_fine() -> None:
    assert start(Role.CONNECT, node_dir="/home/José Größe/日本").directory == "/home/José Größe/日本/work"


def test_a_site_can_be_moved_without_touching_the_rest() -> None:
    moved = replace(site("master"), node_dir="/elsewhere")
    assert (moved.conf_dir, moved.local_dir) == ("/elsewhere/conf", "/elsewhere/local")
