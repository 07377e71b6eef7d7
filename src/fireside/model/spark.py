"""How the JVM of each role is composed: main class, arguments and flags.

Commands are composed directly. `spark-class` would start one JVM only to print the command line of the next, and
`sbin` scripts would put daemons where nobody sees them die. The Connect server needs `SparkSubmit` as its main
class (it sets up class loaders, packages and the session's artifacts) but not the script around it.

No argument here is a secret: those stand in the properties file that the JVM reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from fireside.model.plan import Offer, Port
from fireside.model.state import Role

MASTER_CLASS = "org.apache.spark.deploy.master.Master"
WORKER_CLASS = "org.apache.spark.deploy.worker.Worker"
SUBMIT_CLASS = "org.apache.spark.deploy.SparkSubmit"
CONNECT_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"

RPC = "rpc"
UI = "ui"
GRPC = "grpc"

USUAL_PORTS: Mapping[Role, tuple[Port, ...]] = {
    Role.MASTER: (Port(name=RPC, preferred=7077), Port(name=UI, preferred=8080)),
    # A worker's RPC port has no usual number: 0 is "any free one".
    Role.WORKER: (Port(name=RPC, preferred=0), Port(name=UI, preferred=8081)),
    Role.CONNECT: (Port(name=GRPC, preferred=15002), Port(name=UI, preferred=4040)),
}
"""The ports of each role (STD-05): its name, and the number that people expect."""

NO_PERF_DATA = "-XX:-UsePerfData"
"""Keeps a JVM from writing a file to /tmp that stays there when it is killed."""

_LATE_SECOND_COMPILER = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
_SERVER_HEAP = 1792
"""MiB below which the JVM itself takes the serial collector, when that is what the machine has. It looks at the machine
and not at the heap that it is given, so small nodes on a large machine are told."""
_COLLECTOR = re.compile(r"-XX:\+Use\w+GC")

# Spark's own `JavaModuleOptions`, without the incubator module: our roles do without it, and small runtimes lack it.
# Every line from 3.4 to 4.3 needs a part of this list.
_OPENED = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)
_NETTY = (
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
)


@dataclass(frozen=True, slots=True)
class Jvm:
    """What a JVM is started with, apart from the program that it runs."""

    java: str
    """Path of the `java` program."""
    major: int
    """Java's major version: 17, 21, 25."""
    class_path: tuple[str, ...]
    heap: int
    """MiB."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """System properties. They can be read by every user of the machine: never secrets."""
    options: tuple[str, ...] = ()
    """What the owner added (`spark.driver.extraJavaOptions`)."""


def command(jvm: Jvm, role: Role, program: tuple[str, ...]) -> tuple[str, ...]:
    """Return the whole argument list that starts `program` (main class and its arguments) as `role`."""
    return (
        jvm.java,
        "-cp",
        ":".join(jvm.class_path),
        f"-Xmx{jvm.heap}m",
        NO_PERF_DATA,
        *_tuning(role, jvm.heap, jvm.options),
        *module_options(jvm.major),
        *(f"-D{name}={value}" for name, value in jvm.properties.items()),
        *jvm.options,
        *program,
    )


def module_options(major: int) -> tuple[str, ...]:
    """Return the flags without which Spark fails on this Java."""
    if major < 24:
        extra: tuple[str, ...] = ("--add-opens=java.base/sun.security.action=ALL-UNNAMED",)  # gone since
    else:
        # The JVM warns of, and then denies, what Arrow and Netty do with memory and native code.
        extra = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")
    return (*(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED), *extra, *_NETTY)


def _tuning(role: Role, heap: int, options: Sequence[str]) -> tuple[str, ...]:
    match role:
        case Role.MASTER | Role.WORKER:
            # They do no work of their own: the first compiler and the smallest collector start faster and stay small.
            return ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        case Role.CONNECT:
            return working_jvm(heap, options)
    assert_never(role)


def working_jvm(heap: int, options: Sequence[str]) -> tuple[str, ...]:
    """Return the flags of a JVM that crunches data: both compilers, the second one for what really is hot.

    The JVM's own thresholds compile thousands of methods for the second time while Spark starts; ten times higher ones
    took 30 % of the CPU off a driver's way to its first rows, and 35 % off an executor's (Spark 4.3.0, Java 17), and
    a loop over data passes them within milliseconds. With `options` that pick a collector none is added: two are an
    error.
    """
    collects = any(_COLLECTOR.fullmatch(option) for option in options)
    return _LATE_SECOND_COMPILER if collects or heap >= _SERVER_HEAP else (*_LATE_SECOND_COMPILER, "-XX:+UseSerialGC")


def master_program(host: str, port: int, ui: int) -> tuple[str, ...]:
    """Return main class and arguments of a master."""
    return (MASTER_CLASS, "--host", host, "--port", str(port), "--webui-port", str(ui))


@dataclass(frozen=True, slots=True)
class WorkerAddress:
    """Where a worker listens, and the master that it registers with."""

    host: str
    port: int
    ui: int
    master: str
    """`spark://127.0.0.1:7077`."""


def worker_program(address: WorkerAddress, offer: Offer, work_dir: str) -> tuple[str, ...]:
    """Return main class and arguments of a worker that offers exactly `offer` to executors (STD-06)."""
    return (
        WORKER_CLASS,
        *("--host", address.host, "--port", str(address.port), "--webui-port", str(address.ui)),
        *("--cores", str(offer.cores), "--memory", f"{offer.memory}m", "--work-dir", work_dir),
        address.master,
    )


def connect_program(properties_file: str) -> tuple[str, ...]:
    """Return main class and arguments of a Connect server that is configured by `properties_file` alone."""
    return (SUBMIT_CLASS, "--properties-file", properties_file, "--class", CONNECT_CLASS, "spark-internal")
