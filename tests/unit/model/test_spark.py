"""Command lines of the roles, compared by meaning: what is run, with which options."""

from __future__ import annotations

import pytest

from fireside.model import spark
from fireside.model.plan import Offer
from fireside.model.state import Role

PROGRAM = ("Main", "--flag", "value")


def jvm(major: int = 17, **fields: object) -> spark.Jvm:
    values: dict[str, object] = {"java": "/jdk/bin/java", "major": major, "class_path": ("/c", "/jars/*"), "heap": 256}
    return spark.Jvm(**(values | fields))  # type: ignore[arg-type]


def options(program: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(program[1::2], program[2::2], strict=False))


@pytest.mark.parametrize("role", list(Role))
def test_a_command_is_java_flags_and_then_the_program(role: Role) -> None:
    argv = spark.command(jvm(), role, PROGRAM)
    assert argv[:4] == ("/jdk/bin/java", "-cp", "/c:/jars/*", "-Xmx256m")
    assert argv[-len(PROGRAM) :] == PROGRAM
    assert all(argument.startswith("-") for argument in argv[3 : -len(PROGRAM)])


@pytest.mark.parametrize("role", [Role.MASTER, Role.WORKER])
def test_daemons_that_do_no_work_start_with_the_first_compiler_and_the_smallest_collector(role: Role) -> None:
    argv = spark.command(jvm(), role, PROGRAM)
    assert {"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"} <= set(argv)


def test_the_connect_server_has_the_full_compiler() -> None:
    assert not any("Tiered" in argument for argument in spark.command(jvm(), Role.CONNECT, PROGRAM))


@pytest.mark.parametrize(
    ("heap", "options", "serial"),
    [(1664, (), True), (1792, (), False), (8192, (), False), (512, ("-XX:+UseG1GC",), False), (512, ("-ea",), True)],
)
def test_a_small_working_jvm_takes_the_serial_collector_unless_its_owner_picks_one(
    heap: int, options: tuple[str, ...], serial: bool
) -> None:
    flags = spark.working_jvm(heap, options)
    assert ("-XX:+UseSerialGC" in flags) is serial
    assert any(flag.startswith("-XX:Tier4InvocationThreshold=") for flag in flags)


def test_the_connect_server_is_tuned_by_its_heap_and_its_options() -> None:
    picked = jvm(heap=600, options=("-XX:+UseParallelGC",))
    assert "-XX:+UseSerialGC" in spark.command(jvm(heap=600), Role.CONNECT, PROGRAM)
    assert "-XX:+UseSerialGC" not in spark.command(picked, Role.CONNECT, PROGRAM)


@pytest.mark.parametrize("major", [17, 21, 25])
def test_no_java_is_asked_for_the_module_that_small_runtimes_lack(major: int) -> None:
    assert not any("incubator" in option for option in spark.module_options(major))


@pytest.mark.parametrize(("major", "allowed"), [(17, False), (21, False), (25, True)])
def test_newer_javas_are_told_to_allow_what_arrow_and_netty_do(major: int, allowed: bool) -> None:
    found = set(spark.module_options(major))
    assert ("--sun-misc-unsafe-memory-access=allow" in found) is allowed
    assert ("--enable-native-access=ALL-UNNAMED" in found) is allowed


def test_a_package_is_opened_only_where_it_exists() -> None:
    gone = "--add-opens=java.base/sun.security.action=ALL-UNNAMED"
    assert gone in spark.module_options(21)
    assert gone not in spark.module_options(25)


def test_properties_and_the_owners_options_stand_before_the_program_and_theirs_last() -> None:
    argv = spark.command(jvm(properties={"a": "1"}, options=("-Da=2",)), Role.CONNECT, PROGRAM)
    assert argv[-len(PROGRAM) - 2 : -len(PROGRAM)] == ("-Da=1", "-Da=2")


def test_a_master_listens_where_it_is_told() -> None:  # STD-05
    program = spark.master_program("127.0.0.1", 7077, 8080)
    assert program[0] == "org.apache.spark.deploy.master.Master"
    assert options(program) == {"--host": "127.0.0.1", "--port": "7077", "--webui-port": "8080"}


def test_a_worker_offers_exactly_what_the_plan_says_and_names_its_master_last() -> None:  # STD-06
    address = spark.WorkerAddress("127.0.0.1", 7, 8, "spark://127.0.0.1:7077")
    program = spark.worker_program(address, Offer(cores=2, memory=1536), "/node/work")
    assert program[0] == "org.apache.spark.deploy.worker.Worker"
    assert program[-1] == "spark://127.0.0.1:7077"
    assert options(program[:-1]) == {
        "--host": "127.0.0.1",
        "--port": "7",
        "--webui-port": "8",
        "--cores": "2",
        "--memory": "1536m",
        "--work-dir": "/node/work",
    }


def test_a_connect_server_is_configured_by_a_file() -> None:
    program = spark.connect_program("/node/conf/spark-defaults.conf")
    assert program[0] == "org.apache.spark.deploy.SparkSubmit"
    assert program[-1] == "spark-internal"
    assert options(program[:-1]) == {
        "--properties-file": "/node/conf/spark-defaults.conf",
        "--class": "org.apache.spark.sql.connect.service.SparkConnectServer",
    }
