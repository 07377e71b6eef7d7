"""What the owner asks for: flags over the file over nothing; defaults are the server's to fill in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from fireside.errors import NotFound

if TYPE_CHECKING:
    from fireside.client.blocking import Client
    from fireside.client.specfile import SpecFile


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that say something about a spec."""

    name: str | None = None
    file: Path | None = None
    workers: int | None = None
    cores: int | None = None
    memory: str | None = None
    topology: str | None = None
    fields: Sequence[str] | None = None
    conf: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """The fields that the owner set, and how they meet a cluster that exists."""

    asked: dict[str, Any]
    file: SpecFile | None

    @property
    def name(self) -> str:
        """The cluster that it speaks of."""
        return str(self.asked.get("name", "default"))

    @property
    def mode(self) -> Literal["merge", "replace"]:
        """A file is the whole spec; flags alone change what they name."""
        return "merge" if self.file is None else "replace"


def read(flags: Flags, folder: Path | None = None) -> Wish:
    """Return the wish of these flags; paths in flags are taken from `folder`, the caller's by default.

    Raises InvalidSpec (with file and line) for what no spec can say, NotFound for a missing file.
    """
    from fireside.client import specfile
    from fireside.model.spec import merge

    file = None if flags.file is None else specfile.load(flags.file)
    base = {} if file is None else file.asked
    over = specfile.absolute(_spec_of(flags, str(flags.topology or base.get("topology"))), folder or Path.cwd())
    asked = merge(base, over)
    _check(asked, file)
    _check(over, None)  # merging drops what a flag unsets, misspelt names among them
    return Wish(asked, file)


def with_caller_if_new(server: Client, asked: Wish) -> dict[str, Any]:
    """Return the wish with the caller's Python and PySpark, unless it only changes a cluster that exists."""
    from fireside.client.caller import with_caller

    if asked.mode == "merge":
        try:
            server.get(asked.name)
        except NotFound:
            return with_caller(asked.asked)
        return asked.asked
    return with_caller(asked.asked)


def _check(asked: dict[str, Any], file: SpecFile | None) -> None:
    from fireside.client import specfile
    from fireside.model.spec import problems

    error = specfile.complaint(problems(asked), file)
    if error is not None:
        raise error


def _spec_of(flags: Flags, topology: str) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if flags.name is not None:
        spec["name"] = flags.name
    if flags.topology is not None:
        spec["topology"] = flags.topology
    sized = "connect" if topology == "single" else "workers"
    for path, value in (
        (("workers", "count"), flags.workers),
        ((sized, "cores"), flags.cores),
        ((sized, "memory"), flags.memory),
    ):
        if value is not None:
            _put(spec, path, value)
    for text in flags.conf or ():
        key, value = _split(text, "--conf")
        _put(spec, ("spark", "conf", key), value)
    for text in flags.fields or ():
        field, value = _split(text, "--set")
        _put(spec, _path(field), _value(value))
    return spec


def _split(text: str, flag: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"{text!r} has no '=': write it as name=value", param_hint=f"'{flag}'")
    return key.strip(), value


def _path(field: str) -> tuple[str, ...]:
    """Split a dotted field. What follows `conf` is one key of Spark, dots and all."""
    parts = field.split(".")
    if "conf" in parts[:-1]:
        at = parts.index("conf") + 1
        return (*parts[:at], ".".join(parts[at:]))
    return tuple(parts)


def _value(text: str) -> object:
    """Return a value as a spec file would have it: numbers, true, [a, b], or text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return text


def _put(spec: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    part = spec
    for key in path[:-1]:
        inner = part.get(key)
        if not isinstance(inner, dict):
            inner = part[key] = {}
        part = inner
    part[path[-1]] = value
