"""The spec: what an owner wants, as they write it in YAML, in flags or in Python.

Every field may be left out; :func:`fireside.model.defaults.fit` fills what is missing so that it fits where the
nodes will run. Field descriptions are the reference that ``fireside schema`` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from fireside.model import quantity
from fireside.model.names import check_name
from fireside.model.state import Topology

Memory = Annotated[
    int,
    BeforeValidator(quantity.memory),
    PlainSerializer(quantity.show_memory, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+(\.\d+)?\s*[kKmMgGtT]i?[bB]?$",
            "examples": ["512m", "1.5g", "4GiB"],
        }
    ),
]
"""Whole MiB inside; written with a unit outside."""

Duration = Annotated[
    float,
    BeforeValidator(quantity.seconds),
    PlainSerializer(quantity.show_seconds, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|sec|m|min|h|d)$", "examples": ["90s", "15m"]}),
]
"""Seconds inside; written with a unit outside."""


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"{value!r} is not a single value: write a string, a number, true or false")


ConfValue = Annotated[str, BeforeValidator(_scalar)]
Conf = dict[str, ConfValue]
Name = Annotated[str, BeforeValidator(check_name)]


class Part(BaseModel):
    """Base of the parts of a spec."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SparkSpec(Part):
    """Which Spark, and how it is configured on every node."""

    version: str | None = Field(
        None,
        description="Version of Spark, such as 4.3.0. Default: that of the pyspark package that you have.",
        examples=["4.3.0"],
    )
    python: str | None = Field(
        None,
        description="Python interpreter whose pyspark is used and that runs Python workers. Default: yours.",
    )
    conf: Conf = Field(default_factory=dict, description="Spark configuration for every role.")
    jars: tuple[str, ...] = Field((), description="Jar files for the driver and the executors.")
    packages: tuple[str, ...] = Field(
        (), description="Maven coordinates (group:artifact:version) to resolve when the driver starts."
    )
    requirements: tuple[str, ...] = Field(
        (),
        description="Python packages that user code needs on the workers, as pip would read them (`polars==1.12.0`).",
    )


class NodeSpec(Part):
    """The size and configuration of nodes of one role."""

    cores: int | None = Field(None, ge=1, le=1024, description="CPU cores of one node.")
    memory: Memory | None = Field(
        None, description="All memory of one node, the limit from which its parts are taken. Default: fitted."
    )
    conf: Conf = Field(default_factory=dict, description="Spark configuration for this role alone.")


class MasterSpec(NodeSpec):
    """The master: it schedules, and runs no work of its own."""


class WorkerSpec(NodeSpec):
    """The workers: they run executors."""

    count: int | None = Field(
        None, ge=1, le=1000, description="How many workers. Default: fitted to the machine, at most 2."
    )
    spark_memory: Memory | None = Field(
        None,
        description="What one worker offers to executors (SPARK_WORKER_MEMORY). Default: what is left of `memory`.",
    )


class ExecutorSpec(Part):
    """The size of one executor. Default: one executor fills a worker."""

    cores: int | None = Field(None, ge=1, le=1024, description="CPU cores of one executor.")
    memory: Memory | None = Field(None, description="JVM heap of one executor (spark.executor.memory).")


class ConnectSpec(NodeSpec):
    """The Spark Connect server: the driver that clients talk to."""

    enabled: bool = Field(True, description="false leaves the driver to you (`standalone` only).")


class Timeouts(Part):
    """How long the engine waits before it gives up or goes on."""

    ready: Duration = Field(
        180.0, description="Until a starting cluster is usable, or ends in a reason.", validate_default=False
    )
    drain: Duration = Field(
        60.0,
        description="For a worker that is scaled away to hand over what it holds.",
        validate_default=False,
    )


def _count_shorthand(value: object) -> object:
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _enabled_shorthand(value: object) -> object:
    return {"enabled": value} if isinstance(value, bool) else value


class ClusterSpec(Part):
    """What an owner wants. An empty spec is a good one: everything is fitted to where it will run."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Fireside cluster")

    name: Name = Field("default", description="Name of the cluster, unique among your own.")
    topology: Topology = Field(
        Topology.STANDALONE,
        description="standalone: master, workers and a Connect server. single: one Connect server that does all work.",
    )
    backend: str = Field("local", description="Where nodes run: local (processes on this machine).")
    spark: SparkSpec = Field(default_factory=SparkSpec)
    master: MasterSpec = Field(default_factory=MasterSpec)
    workers: Annotated[WorkerSpec, BeforeValidator(_count_shorthand)] = Field(
        default_factory=WorkerSpec, description="A number is short for {count: number}."
    )
    executors: ExecutorSpec = Field(default_factory=ExecutorSpec)
    connect: Annotated[ConnectSpec, BeforeValidator(_enabled_shorthand)] = Field(
        default_factory=ConnectSpec, description="true and false are short for {enabled: …}."
    )
    workspace: str | None = Field(
        None,
        description="Directory that every node and the driver share. A relative path means the folder of this file. "
        "Default: one that belongs to the cluster.",
    )
    overcommit: bool = Field(False, description="Allow sizes whose sum exceeds the machine.")
    timeouts: Timeouts = Field(default_factory=Timeouts)

    @model_validator(mode="after")
    def _topology_has_its_parts(self) -> ClusterSpec:
        if self.topology is Topology.SINGLE and not self.connect.enabled:
            raise ValueError("topology single is a Connect server: connect cannot be false")
        return self


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the fields of `over` put over it, part by part; `None` in `over` unsets a field."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merge(old if isinstance(old, Mapping) else _expanded(key, old), value)
        elif isinstance(old, Mapping) and key in {"workers", "connect"}:
            merged[key] = {**old, **_expanded(key, value)}
        else:
            merged[key] = value
    return merged


def _expanded(key: str, value: object) -> dict[str, Any]:
    """Write out the shorthand of a part (`workers: 2`, `connect: false`)."""
    if value is None:
        return {}
    return {"enabled": value} if key == "connect" else {"count": value}
