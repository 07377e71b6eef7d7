"""The JSON forms that server and client share, and the one table of errors.

Everything under ``/api/v1`` is made of these forms; the OpenAPI document is generated from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from fireside import errors

API_VERSION = 1
"""Grows when an old client could misunderstand a new server, or the other way round."""
MAX_WORKERS = 1000
"""Most workers of one cluster, as in the spec."""
MAX_WAIT = 3600.0
"""Most seconds that one request may wait for a cluster."""


class Form(BaseModel):
    """Base of the wire forms. Unknown fields are refused in requests and ignored by clients in answers.

    A form is built when it is first used: a command needs two or three of them, and building all would be felt.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)


class Request(Form):
    """Base of request bodies."""

    model_config = ConfigDict(extra="forbid", defer_build=False)


class Problem(Form):
    """The one error shape."""

    code: str = Field(description="Stable word for the kind of error.", examples=["invalid_spec"])
    message: str = Field(description="What was tried, on what, and what was found.")
    field: str | None = Field(None, description="Path of the field that is wrong.", examples=["workers.memory"])
    found: str | None = None
    allowed: str | None = None
    hint: str | None = Field(None, description="What to do.")


class NodeView(Form):
    """A node as its owner sees it."""

    name: str
    role: str
    phase: str
    message: str | None = None
    restarts: int = 0
    cores: int
    memory: str = Field(description="The node's limit, such as `2g`.")
    addresses: dict[str, str] = Field(default_factory=dict, description="Port name → `host:port`.")
    ready_since: datetime | None = None


class ClusterView(Form):
    """A cluster as its owner sees it."""

    id: str
    name: str
    owner: str
    backend: str
    topology: str
    spark: str
    desired: str
    phase: str
    reason: str | None = None
    message: str | None = None
    hint: str | None = Field(None, description="The command that helps, where there is one.")
    since: datetime
    created_at: datetime
    generation: int
    observed_generation: int
    ready_timeout: float = Field(180.0, description="Seconds that a start may take before it is given up.")
    workers_ready: int
    workers_wanted: int
    links: dict[str, str] = Field(default_factory=dict, description="Web pages by name.")
    nodes: list[NodeView] = Field(default_factory=list)


class ClusterList(Form):
    """Clusters by name."""

    clusters: list[ClusterView]


def _number(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise ValueError(f"{value!r} is not a number")
    return value


Whole = Annotated[int, BeforeValidator(_number)]
"""What JSON Schema calls an integer: `2.0` is one, `true` and `"2"` are not."""


def _portable(value: dict[str, Any]) -> dict[str, Any]:
    """Return `value`; raise ValueError when it has something that JSON cannot carry from here to anywhere."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except TypeError as error:
        raise ValueError(f"not a JSON value: {error}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"neither text nor a number that everybody can read: {error}") from error
    return value


Fields = Annotated[dict[str, Any], AfterValidator(_portable)]


class CreateRequest(Request):
    """Create a cluster, or get the one that has this name."""

    spec: Fields = Field(default_factory=dict, description="A spec; see `GET /api/v1/schema`. May be empty.")
    change: Literal["refuse", "merge", "replace"] = Field(
        "refuse",
        description="What to do when the cluster exists with another spec: refuse, merge the given fields, or replace.",
    )
    start: StrictBool = Field(True, description="Start it when it is stopped.")
    expected_generation: Whole | None = Field(
        None,
        description="Change it only while it has this generation, so that what was shown is what is applied.",
    )


class ChangeRequest(Request):
    """Change a cluster that exists."""

    spec: Fields = Field(description="The fields to change; null unsets one.")
    change: Literal["merge", "replace"] = Field(
        "merge", description="merge: put the fields over the spec. replace: they are the spec."
    )
    expected_generation: Whole | None = Field(None, description="Change it only while it has this generation.")


class ScaleRequest(Request):
    """Change the number of workers."""

    workers: Whole = Field(ge=1, le=MAX_WORKERS)


class RestartRequest(Request):
    """Restart the nodes of some roles, or all."""

    roles: list[str] = Field(default_factory=list, description="Roles to restart; empty: all.")


class Sum(Form):
    """The memory sum of one role's nodes, in MiB."""

    role: str
    count: int
    cores: int
    limit: int
    parts: dict[str, int]


class ChangeView(Form):
    """What applying a spec would do."""

    action: str = Field(description="create, start, change or nothing")
    live: list[str] = Field(default_factory=list, description="What changes while the cluster is used.")
    restarts: list[str] = Field(default_factory=list, description="Nodes that are restarted, and why.")
    fields: dict[str, tuple[Any, Any]] = Field(default_factory=dict, description="Field → value before, value after.")


class ProposalView(Form):
    """A plan that is not applied: what a spec means here."""

    spec: dict[str, Any]
    sums: list[Sum]
    total_memory: int = Field(description="MiB of all nodes together.")
    room_memory: int = Field(description="MiB that the machine has for them.")
    notes: list[str] = Field(default_factory=list)
    warnings: list[Problem] = Field(default_factory=list)
    conf: dict[str, dict[str, str]] = Field(default_factory=dict, description="Role → Spark configuration.")
    change: ChangeView
    generation: int | None = Field(None, description="Generation of the cluster that has this name now.")


class EventView(Form):
    """Something that happened to a cluster."""

    seq: int
    at: datetime
    kind: str
    message: str
    node: str | None = None


class LogView(Form):
    """A line that a node wrote."""

    node: str
    source: str
    text: str


class Connection(Form):
    """How a client reaches a cluster. Carries secrets: only the owner is given one."""

    name: str
    spark: str
    remote: str | None = Field(
        None, description="`sc://localhost:15002`, without the token; None without a Connect server."
    )
    token: str | None = Field(None, description="Connect token.", repr=False)
    master: str | None = Field(None, description="`spark://127.0.0.1:7077`; None for topology single.")
    rpc_secret: str | None = Field(None, description="spark.authenticate.secret, for drivers of their own.", repr=False)
    workspace: str
    python: str | None = None
    conf: dict[str, str] = Field(default_factory=dict, description="What a driver of its own should set.")
    environment: dict[str, str] = Field(default_factory=dict, description="Variables without secrets.")


class Health(Form):
    """How the server is, with what it depends on."""

    status: str = Field(description="ok or degraded")
    dependencies: dict[str, str] = Field(description="Name → `ok`, or what is wrong.")
    sweep_held: str | None = None
    orphans: list[str] = Field(default_factory=list, description="Clusters that run but are in no record.")


class Version(Form):
    """Who answers."""

    version: str
    api: int
    pid: int
    installation: str


class Removal(Form):
    """What a delete takes away."""

    name: str
    data: dict[str, int] = Field(default_factory=dict, description="Path → bytes that are (or would be) deleted.")


class Orphans(Form):
    """What ran without a record and was ended."""

    removed: list[str]


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error with its code, HTTP status and exit status of the CLI."""

    error: type[errors.FiresideError]
    code: str
    http: int
    exit: int


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(errors.InvalidSpec, "invalid_spec", 422, 2),
    ErrorRow(errors.DoesNotFit, "does_not_fit", 422, 2),
    ErrorRow(errors.Unsupported, "unsupported", 422, 2),
    ErrorRow(errors.NotFound, "not_found", 404, 3),
    ErrorRow(errors.Conflict, "conflict", 409, 4),
    ErrorRow(errors.NotAllowed, "not_allowed", 403, 5),
    ErrorRow(errors.Unavailable, "unavailable", 503, 6),
    ErrorRow(errors.TimedOut, "timed_out", 504, 7),
    ErrorRow(errors.VersionMismatch, "version_mismatch", 409, 8),
    ErrorRow(errors.MissingPart, "missing_part", 424, 9),
    ErrorRow(errors.Refused, "refused", 507, 10),
    ErrorRow(errors.InternalError, "internal", 500, 70),
)
"""Every error that leaves a process is one of these. Exit status 1 is a job or query of the user that failed;
130 is Ctrl-C."""


def row_of(error: errors.FiresideError) -> ErrorRow:
    """Return the row of an error's type, or of the nearest base that has one; InternalError's otherwise."""
    for kind in type(error).__mro__:
        for row in ERRORS:
            if row.error is kind:
                return row
    return ERRORS[-1]


def problem_of(error: errors.FiresideError) -> Problem:
    """Return the error in the one error shape."""
    return Problem(
        code=row_of(error).code,
        message=error.message,
        field=error.field,
        found=error.found,
        allowed=error.allowed,
        hint=error.hint,
    )


def error_of(problem: Problem) -> errors.FiresideError:
    """Return the error that a problem was made from."""
    kind = next((row.error for row in ERRORS if row.code == problem.code), errors.InternalError)
    return kind(problem.message, field=problem.field, found=problem.found, allowed=problem.allowed, hint=problem.hint)


def misread(finding: Mapping[str, Any], place: Sequence[str | int]) -> errors.InvalidSpec:
    """Return the error for a value that does not have its form, from what pydantic found at `place`."""
    field = ".".join(str(part) for part in place) or "body"
    message: str = finding["msg"].removeprefix("Value error, ")
    given = finding.get("input")
    # Of a whole object nothing is repeated: it may carry a secret.
    found = repr(given)[:200] if isinstance(given, (str, int, float)) else None
    match finding["type"]:
        case "extra_forbidden":
            message = "there is no such field"
        case "missing":
            found = None
        case _:
            message = message[:1].lower() + message[1:]
    return errors.InvalidSpec(f"{field}: {message}", field=field, found=found)
