"""The spec: what an owner wants, as they write it in YAML, in flags or in Python.

Every field may be left out; :func:`fireside.model.defaults.fit` fills what is missing so that it fits where the
nodes will run. Field descriptions are the reference that ``fireside schema`` prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fireside.errors import InvalidSpec
from fireside.model import quantity
from fireside.model.findings import Finding
from fireside.model.names import check_name
from fireside.model.specerrors import NESTED, finding, findings_of, part_of
from fireside.model.state import Topology

Memory = Annotated[
    int,
    BeforeValidator(quantity.memory),
    PlainSerializer(quantity.show_memory, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?\s*[kKmMgGtTpP][iI]?[bB]?$",
            "examples": ["512m", "1.5g", "4GiB"],
        }
    ),
]
"""Whole MiB inside; written with a unit outside."""

Duration = Annotated[
    float,
    BeforeValidator(quantity.seconds),
    PlainSerializer(quantity.show_seconds, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(ms|s|sec|m|min|h|d)$", "examples": ["90s", "15m"]}
    ),
]
"""Seconds inside; written with a unit outside."""


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("this is not a single value: write a string, a number, true or false")


MOST_WORKERS = 1000
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

    cores: int | None = Field(None, ge=1, le=1024, strict=True, description="CPU cores of one node.")
    memory: Memory | None = Field(
        None, description="All memory of one node, the limit from which its parts are taken. Default: fitted."
    )
    conf: Conf = Field(default_factory=dict, description="Spark configuration for this role alone.")


class MasterSpec(NodeSpec):
    """The master: it schedules, and runs no work of its own."""


class WorkerSpec(NodeSpec):
    """The workers: they run executors."""

    count: int | None = Field(
        None,
        ge=1,
        le=MOST_WORKERS,
        strict=True,
        description="How many workers. Default: fitted to the machine, at most 2.",
    )
    spark_memory: Memory | None = Field(
        None,
        description="What one worker offers to executors (SPARK_WORKER_MEMORY). Default: what is left of `memory`.",
    )


class ExecutorSpec(Part):
    """The size of one executor. Default: one executor fills a worker."""

    cores: int | None = Field(None, ge=1, le=1024, strict=True, description="CPU cores of one executor.")
    memory: Memory | None = Field(None, description="JVM heap of one executor (spark.executor.memory).")


class ConnectSpec(NodeSpec):
    """The Spark Connect server: the driver that clients talk to."""

    enabled: bool = Field(True, description="false leaves the driver to you (`standalone` only).")


class Timeouts(Part):
    """How long the engine waits before it gives up or goes on."""

    ready: Duration = Field(
        180.0,
        ge=1,
        le=86400,
        json_schema_extra={"default": "3m"},
        description="Until a starting cluster is usable, or ends in a reason. 1s to 24h.",
    )
    drain: Duration = Field(
        60.0,
        ge=0,
        le=86400,
        json_schema_extra={"default": "1m"},
        description="For a worker that is scaled away to hand over what it holds. 0s to 24h.",
    )


def _count_shorthand(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"count": value}
    if isinstance(value, (Mapping, WorkerSpec)):
        return value
    raise ValueError("this is neither a number of workers nor fields of a worker, such as cores and memory")


def _enabled_shorthand(value: object) -> object:
    if isinstance(value, bool):
        return {"enabled": value}
    if isinstance(value, (Mapping, ConnectSpec)):
        return value
    raise ValueError("this is neither true or false nor fields of the Connect server, such as memory")


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
    def _every_part_has_an_effect(self) -> ClusterSpec:
        findings = list(_without_effect(self))
        if findings:
            raise PydanticCustomError(NESTED, "{text}", {"text": _lines(findings), NESTED: findings})
        return self


def _without_effect(spec: ClusterSpec) -> Iterator[Finding]:
    """Yield what the topology has no use for: a field is refused rather than ignored (W-13)."""
    if spec.topology is Topology.SINGLE:
        for part in ("master", "workers", "executors"):
            for field in _set_in(getattr(spec, part), part):
                yield finding(
                    f"topology single is one Connect server and has no {part}",
                    field,
                    hint=f"take {field} out and size connect, or use topology: standalone",
                )
        if not spec.connect.enabled:
            yield finding(
                "topology single is a Connect server: connect cannot be false",
                "connect.enabled",
                found="false",
                allowed="true",
                hint="use topology: standalone to bring a driver of your own",
            )
    elif not spec.connect.enabled:
        for field in _set_in(spec.connect, "connect"):
            if field != "connect.enabled":
                yield finding(
                    "without a Connect server this has no effect",
                    field,
                    hint=f"take {field} out, or set connect.enabled to true",
                )


def _set_in(part: Part, path: str) -> Iterator[str]:
    untouched = type(part)()
    for name in type(part).model_fields:
        if getattr(part, name) != getattr(untouched, name):
            yield f"{path}.{name}"


# ------------------------------------------------------------------------------------------------ reading


def validate(asked: Mapping[str, Any]) -> ClusterSpec:
    """Return the spec that an owner wrote; an empty one is a good one.

    Raises one InvalidSpec for all that is wrong: a line for each, `field`, `found`, `allowed` and `hint` of the first.
    """
    spec, found = _read(asked)
    if spec is None:
        first = found[0]
        raise InvalidSpec(_lines(found), field=first.field, found=first.found, allowed=first.allowed, hint=first.hint)
    return spec


def problems(asked: Mapping[str, Any]) -> list[Finding]:
    """Return all that is wrong with what an owner wrote, with `field` as a dotted path; empty when nothing is."""
    return _read(asked)[1]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec as it is written, with defaults and descriptions, for editors."""
    schema = ClusterSpec.model_json_schema()
    short: dict[str, dict[str, Any]] = {
        "workers": {"type": "integer", "minimum": 1, "maximum": MOST_WORKERS},
        "connect": {"type": "boolean"},
    }
    for part, single in short.items():
        written = schema["properties"][part]
        written["anyOf"] = [{"$ref": written.pop("$ref")}, single]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _read(asked: Mapping[str, Any]) -> tuple[ClusterSpec | None, list[Finding]]:
    try:
        return ClusterSpec.model_validate(_without_unset(asked)), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [each for detail in details for each in findings_of(detail, ClusterSpec)]


def _without_unset(asked: Mapping[str, Any], model: type[BaseModel] | None = ClusterSpec) -> dict[str, Any]:
    """Drop fields without a value (`workers:` in YAML): they mean "as if it were not written".

    A name that `model` does not know stays, so that it is refused with or without a value. None: any name will do.
    """
    kept = {}
    for key, value in asked.items():
        field = model.model_fields.get(key) if model else None
        if value is None and (field or not model):
            continue
        part = part_of(field) if field else None
        kept[key] = _without_unset(value, part) if isinstance(value, Mapping) else value
    return kept


def _lines(findings: Sequence[Finding]) -> str:
    return "\n".join(each.message for each in findings)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the fields of `over` put over it, part by part; `None` in `over` unsets a field.

    Both are fields as an owner writes them. `workers: 2` over `{cores: 1}` keeps the cores, and the other way round.
    """
    return _merged(base, over, _SHORTHANDS)


_SHORTHANDS = {"workers": "count", "connect": "enabled"}
"""Parts that may be written as a single value, and the field that it means."""


def _merged(base: Mapping[str, Any], over: Mapping[str, Any], shorthands: Mapping[str, str]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            if not isinstance(old, Mapping):
                old = {shorthands[key]: old} if key in shorthands and old is not None else {}
            merged[key] = _merged(old, value, {})
        elif isinstance(old, Mapping) and key in shorthands:
            merged[key] = {**old, shorthands[key]: value}
        else:
            merged[key] = value
    return merged
