"""Changes: what applying a new plan over an old one does, in sentences, before it is done.

A node is restarted when its digest differs, because a running JVM takes no other size or configuration. Only the
number of workers changes while the cluster is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fireside.model.plan import Group, Plan
from fireside.model.quantity import show_memory
from fireside.model.spec import ClusterSpec
from fireside.model.state import Role

_MISSING = "unset"
_MEMORY = frozenset({"heap", "offer.memory", "budget.limit"})
_EFFECTS = {Role.CONNECT: "; its sessions end", Role.WORKER: "; their executors end", Role.MASTER: ""}
_FOLLOWING = ("budget.", "heap", "offer.memory")
_WORDS = {
    "budget.limit": "memory",
    "offer.cores": "cores for executors",
    "offer.memory": "memory for executors",
    "spark": "Spark",
    "python": "Python",
}


@dataclass(frozen=True, slots=True)
class Changes:
    """What applying a plan does: while the cluster is used, and by restarting nodes."""

    live: tuple[str, ...]
    restarts: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.live or self.restarts)


def compare(old: Plan, new: Plan) -> Changes:
    """Return what turning `old` into `new` does. Both empty: nothing."""
    live: list[str] = []
    restarts: list[str] = []
    shared = _differences(_shared(old), _shared(new))
    for role in Role:
        before, after = old.group(role), new.group(role)
        if before is None and after is not None:
            live.append(_starts(after))
        elif before is not None and after is None:
            restarts.append(_ends(before))
        elif before is not None and after is not None:
            if before.count != after.count:
                live.append(f"{role.value}s {before.count} → {after.count}")
            if old.digest(role) != new.digest(role):
                restarts.append(_restart(before, after, shared))
    if new.group(Role.CONNECT) is None and (own := _differences(old.driver, new.driver)):
        live.append(f"drivers of your own, from their next start: {', '.join(own)}")
    return Changes(tuple(live), tuple(restarts))


def fields(old: ClusterSpec, new: ClusterSpec) -> dict[str, tuple[Any, Any]]:
    """Return the fields of a spec that differ: dotted path → (before, after), as they are written in a file."""
    before = _flat(old.model_dump(mode="json"))
    after = _flat(new.model_dump(mode="json"))
    return {
        path: (before.get(path), after.get(path))
        for path in (*before, *(path for path in after if path not in before))
        if before.get(path) != after.get(path)
    }


def _starts(group: Group) -> str:
    return f"{group.count} workers start" if group.role is Role.WORKER else f"{group.role.value} starts"


def _ends(group: Group) -> str:
    nodes = "the workers end" if group.role is Role.WORKER else f"{group.role.value} ends"
    return f"{nodes}{_EFFECTS[group.role]}"


def _restart(before: Group, after: Group, shared: list[str]) -> str:
    role = after.role
    asked = ["asked for"] if before.revision != after.revision else []
    why = ", ".join([*shared, *_differences(_template(before), _template(after)), *asked])
    subject = "workers restart" if role is Role.WORKER else f"{role.value} restarts"
    return f"{subject}: {why}{_EFFECTS[role]}"


def _template(group: Group) -> dict[str, Any]:
    written = group.model_dump(mode="json", exclude={"role", "count", "after", "revision"})
    written["budget"] = {"limit": group.budget.limit, **{part.name: part.mib for part in group.budget.parts}}
    written["ports"] = {port.name: port.preferred for port in group.ports}
    return _flat(written)


def _shared(plan: Plan) -> dict[str, Any]:
    return _flat(plan.model_dump(mode="json", exclude={"groups", "executor", "driver", "secrets"}))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    paths = [*before, *(path for path in after if path not in before)]
    changed = [path for path in paths if before.get(path) != after.get(path)]
    if "budget.limit" in changed:  # the others follow from it
        changed = [path for path in changed if path == "budget.limit" or not path.startswith(_FOLLOWING)]
    return [f"{_word(path)} {_show(path, before.get(path))} → {_show(path, after.get(path))}" for path in changed]


def _word(path: str) -> str:
    if path in _WORDS:
        return _WORDS[path]
    if path.startswith("ports."):
        return f"{path.removeprefix('ports.')} port"
    return path.removeprefix("conf.").removeprefix("environment.").removeprefix("budget.")


def _show(path: str, value: Any) -> str:
    if value is None or value == []:
        return _MISSING
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, int) and (path in _MEMORY or path.startswith("budget.")):
        return show_memory(value)
    return str(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat.update(_flat(item, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = item
    return flat
