"""What is wrong with a spec, in words: pydantic's errors and misplaced parts as findings.

Each finding names the field by its dotted path, the value found, what is allowed, and for an unknown name the
nearest one or the place where it belongs. Values of Spark configuration are never shown: they may be secrets.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, cast, get_args

import annotated_types
from pydantic import BaseModel, PlainSerializer
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fireside.model.findings import Finding, Severity

NESTED = "findings"
"""Type of the custom error whose context carries findings as they are."""

_PLAIN = {
    "string": "text",
    "int": "a whole number",
    "bool": "true or false",
    "model": "a part with fields of its own",
    "dict": "a part with fields of its own",
    "tuple": "a list",
}


def finding(message: str, field: str, **more: str | None) -> Finding:
    """Return an error finding whose message begins with the field, on one line whatever the field is called."""
    text = " ".join(f"{field}: {message}".split()) if field else message
    return Finding(Severity.ERROR, text, field=field or None, **more)


def findings_of(error: ErrorDetails, model: type[BaseModel]) -> list[Finding]:
    """Return one of pydantic's errors about `model` as findings."""
    if error["type"] == NESTED:
        return list(error["ctx"][NESTED])
    path = tuple(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        return [_unknown(path, model)]
    return [_wrong_value(error, path, model)]


def _wrong_value(error: ErrorDetails, path: tuple[str, ...], model: type[BaseModel]) -> Finding:
    field = ".".join(path)
    value = error["input"]
    found = _found(value, path)
    match error["type"]:
        case "value_error":
            return finding(str(error["ctx"]["error"]), field, found=found)
        case "enum":
            return _not_a_choice(field, found, _field_at(model, path))
        case "greater_than_equal" | "less_than_equal":
            allowed = _range(_field_at(model, path))
            return finding(f"{found} is out of range: use {allowed}", field, found=found, allowed=allowed)
    wanted = _PLAIN.get(error["type"].split("_")[0])
    if wanted is None:
        return finding(error["msg"], field, found=found)
    hint = None
    if wanted == "text" and isinstance(value, (int, float)):
        hint = f"write it in quotes: '{found}'"
    elif wanted == "a whole number" and isinstance(value, str) and value.isdecimal():
        hint = "write it without quotes"
    return finding(f"{found} is not {wanted}", field, found=found, allowed=wanted, hint=hint)


def part_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the part that a field holds, or None for a single value."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def paths_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of every field, parts before what they hold."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        part = part_of(field)
        if part is not None:
            yield from paths_of(part, f"{prefix}{name}.")


# ---------------------------------------------------------------------------------------------- unknown names


def _unknown(path: tuple[str, ...], model: type[BaseModel]) -> Finding:
    *parents, name = path
    field = ".".join(path)
    siblings = list(_model_at(model, tuple(parents)).model_fields)
    here = ".".join(parents) or "a spec"
    place = _place_of(name, tuple(parents), model)
    if place is not None:
        return finding(f"there is no such field in {here}", field, allowed=place, hint=f"write it as {place}")
    near = difflib.get_close_matches(name.lower(), siblings, n=1)
    if near:
        meant = ".".join((*parents, near[0]))
        return finding(
            f"there is no such field; the nearest is {meant}",
            field,
            allowed=", ".join(siblings),
            hint=f"write {near[0]} instead of {name[:60]}",
        )
    return finding(
        f"there is no such field; {here} has {', '.join(siblings)}",
        field,
        allowed=", ".join(siblings),
        hint=f"take {name[:60]} out" if name else "write the name of a field",
    )


def _place_of(name: str, parents: tuple[str, ...], model: type[BaseModel]) -> str | None:
    """Return where a name belongs that is right somewhere else, or None."""
    if name.startswith("spark.") or (parents == ("spark",) and "." in name):
        key = name if name.startswith("spark.") else f"spark.{name}"
        conf = f"{parents[0]}.conf" if parents and parents[0] in {"master", "workers", "connect"} else "spark.conf"
        return f"{conf}: {{{key}: …}}"
    paths = list(paths_of(model))
    if not parents and name in paths:
        return name.replace(".", ": {", 1) + ": …}"
    elsewhere = [path for path in paths if path.split(".")[-1] == name]
    # `memory` and `cores` mean the workers' to most people.
    elsewhere.sort(key=lambda path: not path.startswith("workers."))
    return " or ".join(elsewhere) if elsewhere else None


# -------------------------------------------------------------------------------------------------- values


def _found(value: object, path: tuple[str, ...]) -> str:
    if isinstance(value, (list, tuple, set)):
        return "a list"
    if isinstance(value, Mapping):
        return "a part with fields"
    if "conf" in path:
        return "a single value"
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(str(value).split())[:100] or "''"


def _not_a_choice(field: str, found: str, known: FieldInfo | None) -> Finding:
    kind = known.annotation if known else None
    choices = [str(choice) for choice in kind] if isinstance(kind, type) and issubclass(kind, StrEnum) else []
    allowed = " or ".join(choices)
    near = difflib.get_close_matches(found.lower(), choices, n=1)
    return finding(
        f"{found} is not {allowed}",
        field,
        found=found,
        allowed=allowed,
        hint=f"write {near[0]}" if near else f"write {allowed}",
    )


def _range(field: FieldInfo | None) -> str:
    metadata = field.metadata if field else []
    show = cast(
        "Callable[[Any], str]", next((each.func for each in metadata if isinstance(each, PlainSerializer)), str)
    )
    least = next((each.ge for each in metadata if isinstance(each, annotated_types.Ge)), None)
    most = next((each.le for each in metadata if isinstance(each, annotated_types.Le)), None)
    return f"{show(least)} to {show(most)}"


def _field_at(model: type[BaseModel], path: tuple[str, ...]) -> FieldInfo | None:
    return _model_at(model, path[:-1]).model_fields.get(path[-1]) if path else None


def _model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel]:
    for step in path:
        field = model.model_fields.get(step)
        part = part_of(field) if field else None
        if part is None:
            return model
        model = part
    return model
