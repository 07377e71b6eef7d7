"""What a request means against what there is: values in, a proposal out; only the backend is asked about its room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fireside.errors import Conflict, InvalidSpec, Refused
from fireside.model import changes, conflint, defaults, planning
from fireside.model.findings import Finding, Severity
from fireside.model.plan import Plan
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec, merge, validate
from fireside.model.state import Desired, Phase
from fireside.ports import Backend, ClusterRecord

Mode = Literal["refuse", "merge", "replace"]
ActionWord = Literal["create", "start", "change", "nothing"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a wish would mean, before anything is made."""

    spec: ClusterSpec
    plan: Plan
    room: Room
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    current: ClusterRecord | None
    action: ActionWord
    live: tuple[str, ...]
    restarts: tuple[str, ...]
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """A request, read against the cluster that has its name."""

    current: ClusterRecord | None
    asked: dict[str, Any]
    """What the owner set, all in all: the request, put over what they set before where that is meant."""
    spec: ClusterSpec
    """`asked` as a spec, nothing fitted yet."""
    differs: bool
    """Whether it asks for another spec than the cluster has."""


def read(asked: Mapping[str, Any], current: ClusterRecord | None, mode: Mode) -> Wish:
    """Read a request. Raises InvalidSpec, and Conflict for a backend that cannot be changed."""
    alone = validate(asked)
    if current is None:
        return Wish(None, dict(asked), alone, differs=True)
    own = {key: value for key, value in asked.items() if key != "name"}
    if not own:
        whole = current.asked  # an empty request means "as it is"
    elif mode == "merge":
        whole = merge(current.asked, asked)
    else:
        whole = dict(asked)
    before, after = validate(current.asked), validate({**whole, "name": current.name})
    if after.backend != current.backend:
        raise Conflict(
            f"Cluster {current.name} runs on backend {current.backend} and cannot move to {after.backend}.",
            field="backend",
            found=after.backend,
            allowed=current.backend,
            hint=f"Use another name, or delete it first: fireside down {current.name} --purge",
        )
    return Wish(current, {**whole, "name": current.name}, after, differs=before != after)


async def propose(wish: Wish, backend: Backend) -> Proposal:
    """Return what a wish means. Raises DoesNotFit, Unsupported, and InvalidSpec for configuration that cannot work."""
    room = await backend.survey(wish.spec)
    current = wish.current
    if current is not None and not wish.differs:
        action: ActionWord = "nothing" if _runs(current) else "start"
        return Proposal(current.spec, current.plan, room, (), (), current, action, (), (), {})
    earlier = defaults.Earlier(validate(current.asked), current.spec) if current else None
    fitted = defaults.fit(wish.spec, room, earlier)
    plan = planning.build(fitted.spec)
    if current is not None:
        plan = with_revisions_of(plan, current.plan)
    findings = tuple(conflint.check(fitted.spec))
    refuse_errors(findings, InvalidSpec)
    if current is None:
        return Proposal(fitted.spec, plan, room, fitted.notes, findings, None, "create", (), (), {})
    effect = changes.compare(current.plan, plan)
    runs = _runs(current)
    return Proposal(
        spec=fitted.spec,
        plan=plan,
        room=room,
        notes=fitted.notes,
        findings=findings,
        current=current,
        action="change",
        live=effect.live if runs else (),
        restarts=effect.restarts if runs else (),
        fields=changes.fields(current.spec, fitted.spec),
    )


def with_revisions_of(plan: Plan, before: Plan) -> Plan:
    """Return `plan` with the restarts that were asked for before: to forget them would restart the nodes again."""
    groups = []
    for group in plan.groups:
        old = before.group(group.role)
        groups.append(group.model_copy(update={"revision": old.revision}) if old else group)
    return plan.model_copy(update={"groups": tuple(groups)})


def refuse_errors(findings: Sequence[Finding], kind: type[InvalidSpec | Refused]) -> None:
    """Raise the first finding that would make a cluster fail, with the others in its message."""
    wrong = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not wrong:
        return
    first = wrong[0]
    message = "\n".join(finding.message for finding in wrong)
    raise kind(message, field=first.field, found=first.found, allowed=first.allowed, hint=first.hint)


def refuse_difference(wish: Wish) -> None:
    """Raise Conflict naming the fields in which a wish differs from the cluster of that name."""
    if wish.current is None or not wish.differs:
        return
    name = wish.current.name
    fields = changes.fields(validate(wish.current.asked), wish.spec)
    said = "; ".join(f"{path} is {_shown(before)}, asked {_shown(after)}" for path, (before, after) in fields.items())
    first = next(iter(fields), None)
    raise Conflict(
        f"Cluster {name} exists with another spec: {said}.",
        field=first,
        found=_shown(fields[first][1]) if first else None,
        allowed=_shown(fields[first][0]) if first else None,
        hint=f"to change it, repeat the command with --yes (change='merge' in Python); to leave it: fireside up {name}",
    )


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)


def _runs(record: ClusterRecord) -> bool:
    """Whether a cluster is wanted and was not given up."""
    return record.desired is Desired.RUNNING and not given_up(record)


def given_up(record: ClusterRecord) -> bool:
    """Whether the engine gave up on what its owner wants now."""
    return record.status.phase is Phase.FAILED and record.status.observed_generation >= record.generation
