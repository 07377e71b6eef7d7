"""The Spark configuration keys that Fireside knows: all that Spark reads, and those with a meaning of its own.

The table of Spark's own keys is data made by ``scripts/spark-keys`` from a running Spark 4.3.0. A key that only an
older line knows is reported as unknown, which is a warning and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from fireside.model.spark import GRPC, UI
from fireside.model.state import Role


class Kind(StrEnum):
    """What Spark reads a value as."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    TIME = "time"
    BYTES = "bytes"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of Spark."""

    name: str
    kind: Kind
    unit: str = ""
    """Unit in which a bare number is read: `ms`, `s` … for times, `b`, `k`, `m`, `g` for bytes."""


@cache
def known() -> Mapping[str, Key]:
    """Return every key that Spark reads, by name. The table is read once, at first use."""
    text = resources.files("fireside.model").joinpath("data", "spark-keys.tsv").read_text("ascii")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {name: Key(name, Kind(kind), *unit) for name, kind, *unit in rows}


ALIASES: Mapping[str, str] = {"spark.sql.connect.port": "spark.connect.grpc.binding.port"}
"""Keys that people write and Spark ignores, with the key that does what they mean (CON-02)."""

PORT_KEYS: Mapping[str, tuple[Role, str]] = {
    "spark.connect.grpc.binding.port": (Role.CONNECT, GRPC),
    "spark.ui.port": (Role.CONNECT, UI),
    "spark.master.ui.port": (Role.MASTER, UI),
    "spark.worker.ui.port": (Role.WORKER, UI),
}
"""Keys that say which port is wanted. The plan takes it: process, probe and address change together (STD-05)."""

OWNED: Mapping[str, str] = {
    "spark.master": "it follows from `topology`",
    "spark.submit.deployMode": "the driver is the Connect server, or yours",
    "spark.authenticate": "it is always on",
    "spark.authenticate.secret": "each cluster gets a secret of its own",
    "spark.authenticate.secret.file": "each cluster gets a secret of its own",
    "spark.authenticate.secret.driver.file": "each cluster gets a secret of its own",
    "spark.authenticate.secret.executor.file": "each cluster gets a secret of its own",
    "spark.connect.authenticate.token": "each cluster gets a token of its own; `fireside env` shows it to you",
    "spark.connect.grpc.binding.address": "it follows from where the node runs",
    "spark.driver.host": "it follows from where the node runs",
    "spark.driver.bindAddress": "it follows from where the node runs",
    "spark.port.maxRetries": "ports are chosen before a node starts; say which you want with its port key",
    "spark.local.dir": "each node has a directory of its own",
    "spark.executor.cores": "write it as `executors.cores`, so that it is fitted to the workers",
    "spark.executor.memory": "write it as `executors.memory`, so that it is fitted to the workers",
    "spark.driver.memory": "write it as `connect.memory`: all memory of the Connect server",
    "spark.driver.cores": "write it as `connect.cores`",
    "spark.jars": "write them as `spark.jars`, a list in the part `spark`",
    "spark.jars.packages": "write them as `spark.packages`, a list in the part `spark`",
    "spark.pyspark.python": "write it as `spark.python` in the part `spark`",
    "spark.pyspark.driver.python": "write it as `spark.python` in the part `spark`",
    "spark.deploy.recoveryMode": "the master always recovers from files",
    "spark.deploy.recoveryDirectory": "each cluster has a directory of its own",
    "spark.master.rest.enabled": "it takes jobs from anyone without asking who they are, so it is always off",
}
"""Keys that Fireside sets, with how to ask for what they do."""

OPEN_FAMILIES = (
    "spark.hadoop.",
    "spark.hive.",
    "spark.executorEnv.",
    "spark.sql.catalog.",
    "spark.metrics.conf.",
    "spark.ssl.",
    "spark.shuffle.io.",
    "spark.rpc.io.",
    "spark.files.io.",
    "spark.kubernetes.",
    "spark.yarn.",
    "spark.driver.resource.",
    "spark.executor.resource.",
    "spark.task.resource.",
    "spark.worker.resource.",
    "spark.databricks.",
    "spark.sql.iceberg.",
    "spark.rapids.",
)
"""Beginnings of keys whose rest is free, or belongs to well-known plug-ins."""


class Reader(StrEnum):
    """Who reads a key."""

    MASTER = "the master"
    WORKER = "the workers"
    DRIVER = "the driver"
    ANYONE = "any role"


_READERS: Mapping[str, Reader] = {
    "spark.deploy.": Reader.MASTER,
    "spark.master.": Reader.MASTER,
    "spark.worker.": Reader.WORKER,
    "spark.worker.timeout": Reader.ANYONE,  # the master gives a worker up by it, the worker paces its heartbeats
    "spark.executor.logs.rolling.": Reader.WORKER,
    "spark.connect.": Reader.DRIVER,
    "spark.cores.max": Reader.DRIVER,
    "spark.default.parallelism": Reader.DRIVER,
    "spark.driver.": Reader.DRIVER,
    "spark.dynamicAllocation.": Reader.DRIVER,
    "spark.eventLog.": Reader.DRIVER,
    "spark.executor.": Reader.DRIVER,
    "spark.executorEnv.": Reader.DRIVER,
    "spark.memory.": Reader.DRIVER,
    "spark.python.": Reader.DRIVER,
    "spark.pyspark.": Reader.DRIVER,
    "spark.scheduler.": Reader.DRIVER,
    "spark.speculation": Reader.DRIVER,
    "spark.sql.": Reader.DRIVER,
    "spark.task.": Reader.DRIVER,
}


def reader_of(name: str) -> Reader:
    """Return who reads the key, by the longest beginning that is known; `ANYONE` when none is."""
    beginnings = [beginning for beginning in _READERS if name.startswith(beginning)]
    return _READERS[max(beginnings, key=len)] if beginnings else Reader.ANYONE
