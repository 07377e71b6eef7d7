"""What is wrong with the Spark configuration in a spec, found before anything is made.

An error is what Spark would refuse at start, or what Fireside sets itself. What Spark would take but not act on as
meant is a warning: unknown keys, keys where nothing reads them, times without a unit.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple, assert_never

from fireside.model import confkeys
from fireside.model.confkeys import Key, Kind, Reader
from fireside.model.findings import Finding, Severity
from fireside.model.spec import ClusterSpec

_SECRET = re.compile(r"secret|password|token|access[.]?key", re.IGNORECASE)  # spark.redaction.regex
_INT = re.compile(r"[+-]?\d+")
_DOUBLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[df]?", re.IGNORECASE)
_TIME = re.compile(r"(-?\d+)(us|ms|s|m|min|h|d)?", re.IGNORECASE)
_BYTES = re.compile(r"(-?\d+)([kmgtp]?b?)?", re.IGNORECASE)
_HEAP = re.compile(r"(^|\s)-Xm[xs]")

_SECONDS_OF = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TIME_WORDS = {"us": "microseconds", "ms": "milliseconds", "s": "seconds", "m": "minutes", "min": "minutes"}
_NOT_HERE = (
    "spark.executor.memoryOverhead",
    "spark.executor.minMemoryOverhead",
    "spark.driver.memoryOverhead",
    "spark.driver.minMemoryOverhead",
    "spark.kubernetes.",
    "spark.yarn.",
)
"""Beginnings of keys that only Spark on YARN or Kubernetes reads."""


class _Part(NamedTuple):
    """A place in the spec where configuration stands, and who reads it."""

    path: str
    conf: Mapping[str, str]
    reader: Reader


class _Setting(NamedTuple):
    part: _Part
    key: str
    value: str

    @property
    def field(self) -> str:
        return f"{self.part.path}.{self.key}"


def check(spec: ClusterSpec) -> list[Finding]:
    """Return what is wrong or surprising in the spec's Spark configuration, in the order of the spec.

    No finding shows a value that may be a secret.
    """
    parts = (
        _Part("spark.conf", spec.spark.conf, Reader.ANYONE),
        _Part("master.conf", spec.master.conf, Reader.MASTER),
        _Part("workers.conf", spec.workers.conf, Reader.WORKER),
        _Part("connect.conf", spec.connect.conf, Reader.DRIVER),
    )
    settings = (_Setting(part, key, value) for part in parts for key, value in part.conf.items())
    return [finding for setting in settings for finding in _findings(setting)] + list(_event_log(spec))


def _findings(setting: _Setting) -> Iterator[Finding]:
    key = setting.key
    if key in confkeys.OWNED:
        yield _owned(setting)
        return
    if _SECRET.search(key) and _may_be_text(key):
        yield _secret(setting)
    if key in confkeys.ALIASES:
        yield _alias(setting)
        setting = setting._replace(key=confkeys.ALIASES[key])
    elif (entry := confkeys.known().get(key)) is None:
        yield from _unknown(setting)
    entry = confkeys.known().get(setting.key)
    if entry is not None:
        yield from _value(setting, entry)
    yield from _place(setting)


def _owned(setting: _Setting) -> Finding:
    return Finding(
        Severity.ERROR,
        f"{setting.key} is set by Fireside: {confkeys.OWNED[setting.key]}",
        field=setting.field,
        hint=f"take {setting.key} out of {setting.part.path}",
    )


def _may_be_text(key: str) -> bool:
    entry = confkeys.known().get(key)
    return entry is None or entry.kind is Kind.STRING


def _secret(setting: _Setting) -> Finding:
    return Finding(
        Severity.WARNING,
        f"{setting.key} looks like a secret: in the spec it can be read wherever the spec is stored or shown",
        field=setting.field,
        hint="give it to the session that needs it, or let the machine provide it (credentials file, role)",
    )


def _alias(setting: _Setting) -> Finding:
    meant = confkeys.ALIASES[setting.key]
    return Finding(
        Severity.WARNING,
        f"{setting.key} is no key of Spark, which would ignore it; taken as {meant}",
        field=setting.field,
        hint=f"write {meant}",
    )


def _unknown(setting: _Setting) -> Iterator[Finding]:
    key = setting.key
    if not key.startswith("spark."):
        yield Finding(
            Severity.WARNING,
            f"{key} does not begin with `spark.`: Spark ignores it",
            field=setting.field,
            hint=f"for Hadoop write spark.hadoop.{key}",
        )
    elif not key.startswith(confkeys.OPEN_FAMILIES):
        near = difflib.get_close_matches(key, confkeys.known(), n=1, cutoff=0.85)
        yield Finding(
            Severity.WARNING,
            f"{key} is no key of Spark" + (f"; the nearest is {near[0]}" if near else ""),
            field=setting.field,
            allowed=near[0] if near else None,
            hint=f"write {near[0]}" if near else "keep it if a plug-in reads it; Spark itself does not",
        )


def _place(setting: _Setting) -> Iterator[Finding]:
    key, part = setting.key, setting.part
    if key.startswith(_NOT_HERE):
        yield Finding(
            Severity.WARNING,
            f"{key} does nothing in this topology: Spark reads it on YARN and Kubernetes only",
            field=setting.field,
            hint="room for Python and off-heap memory is part of the node's sum: see `fireside explain`",
        )
        return
    if key == "spark.worker.timeout" and part.reader is Reader.WORKER:
        yield Finding(
            Severity.WARNING,
            f"{key} in {part.path} does not reach the master, which gives a worker up by it",
            field=setting.field,
            hint="put it under spark.conf, so that the master and the workers count the same",
        )
        return
    reader = confkeys.reader_of(key)
    if Reader.ANYONE in (reader, part.reader) or reader is part.reader:
        return
    place = {Reader.MASTER: "master.conf", Reader.WORKER: "workers.conf", Reader.DRIVER: "connect.conf"}[reader]
    yield Finding(
        Severity.WARNING,
        f"{key} is read by {reader.value}: in {part.path} nothing reads it",
        field=setting.field,
        hint=f"put it under {place} or spark.conf",
    )


def _value(setting: _Setting, entry: Key) -> Iterator[Finding]:
    value = setting.value.strip()
    if "${" in value:
        return  # Spark fills it in when it reads it
    if not _fits(entry.kind, value):
        yield Finding(
            Severity.ERROR,
            f"{setting.key} has a value that Spark cannot read",
            field=setting.field,
            found=None if _SECRET.search(setting.key) else setting.value,
            allowed=_allowed(entry),
        )
    elif setting.key in confkeys.PORT_KEYS and not 0 <= int(value) < 65536:
        yield Finding(
            Severity.ERROR,
            f"{setting.key} is no port",
            field=setting.field,
            found=value,
            allowed="0 (any free port) to 65535",
        )
    elif entry.kind is Kind.TIME:
        yield from _bare_time(setting, entry, value)
    elif entry.name.endswith("JavaOptions"):
        yield from _java_options(setting, value)


def _java_options(setting: _Setting, value: str) -> Iterator[Finding]:
    """Judge options of a JVM; they are not repeated, because a secret may be among them."""
    try:
        shlex.split(value)
    except ValueError:
        yield Finding(
            Severity.ERROR,
            f"{setting.key} has a quote that is not closed",
            field=setting.field,
            allowed="options as a shell reads them, such as -Da='b c'",
        )
    if _HEAP.search(value):
        yield Finding(
            Severity.ERROR,
            f"{setting.key} sets a heap, which Spark refuses there",
            field=setting.field,
            hint="write executors.memory or connect.memory",
        )


def _fits(kind: Kind, value: str) -> bool:
    match kind:
        case Kind.BOOL:
            return value.lower() in {"true", "false"}
        case Kind.INT:
            return _INT.fullmatch(value) is not None
        case Kind.DOUBLE:
            return _DOUBLE.fullmatch(value) is not None
        case Kind.TIME:
            return _TIME.fullmatch(value) is not None
        case Kind.BYTES:
            return _BYTES.fullmatch(value) is not None
        case Kind.STRING:
            return True
    assert_never(kind)


def _allowed(entry: Key) -> str:
    match entry.kind:
        case Kind.BOOL:
            return "true or false"
        case Kind.INT:
            return "a whole number"
        case Kind.DOUBLE:
            return "a number"
        case Kind.TIME:
            return "a whole number and us, ms, s, m, h or d, such as 90s"
        case Kind.BYTES:
            return "a whole number and k, m, g or t, such as 512m"
        case Kind.STRING:
            return "text"
    assert_never(entry.kind)


def _bare_time(setting: _Setting, entry: Key, value: str) -> Iterator[Finding]:
    """Warn of a time without a unit (CON-04); 0 and negative numbers mean the same in every unit."""
    if not value.isdigit() or int(value) == 0:
        return
    number, unit = int(value), entry.unit
    said = f"{setting.key} has no unit: Spark reads {number} {_TIME_WORDS.get(unit, unit)}"
    read = _human(number * _SECONDS_OF[unit])
    if unit == "s" and number >= 1000:
        meant = _human(number / 1000)
        yield _time(
            setting, f"{said}, which is {read}; probably meant are {meant}", f"{number}ms ({meant})", number, unit
        )
    elif unit == "ms" and number < 1000:
        meant = _human(float(number))
        yield _time(setting, f"{said}; perhaps meant are {meant}", f"{number}s ({meant})", number, unit)
    else:
        yield _time(setting, said, None, number, unit)


def _time(setting: _Setting, message: str, meant: str | None, number: int, unit: str) -> Finding:
    as_read = f"{number}{unit}"
    hint = f"write {meant}, or {as_read} if that is what you want" if meant else f"write {as_read}"
    return Finding(Severity.WARNING, message, field=setting.field, found=setting.value, hint=hint)


def _human(seconds: float) -> str:
    """Return a length of time as people say it: `6.9 days`, `10 minutes`."""
    for size, word in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"), (0.001, "millisecond")):
        if seconds >= size:
            amount = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{amount} {word}{'' if amount == '1' else 's'}"
    return f"{seconds:g} seconds"


def _event_log(spec: ClusterSpec) -> Iterator[Finding]:
    for part in (spec.spark.conf, spec.connect.conf):
        merged = {**spec.spark.conf, **spec.connect.conf}
        if "spark.eventLog.dir" in part and "spark.eventLog.enabled" not in merged:
            yield Finding(
                Severity.WARNING,
                "spark.eventLog.dir alone logs nothing in Spark; Fireside sets spark.eventLog.enabled=true with it",
                field=f"{'spark' if part is spec.spark.conf else 'connect'}.conf.spark.eventLog.dir",
                hint="write spark.eventLog.enabled: true, or false to keep it off",
            )
            return
