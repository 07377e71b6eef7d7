"""Spec files: YAML read so that every complaint can name the file and the line.

YAML 1.2 as ruamel.yaml reads it: `yes` and `on` are text, `true` is not. A relative path in a file means the folder
of the file; :func:`absolute` does the same for what comes from flags, with the caller's folder.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarfloat import ScalarFloat

from fireside.errors import InvalidSpec, NotFound, Refused
from fireside.model.findings import Finding, Severity

_LIMIT = 1024 * 1024
_MOST_VALUES = 10_000
"""Far more than any spec has; a few lines of YAML whose aliases repeat each other can mean billions."""


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A spec as its owner wrote it."""

    path: Path
    asked: dict[str, Any]
    """The fields of the file, paths made absolute."""
    lines: Mapping[str, int]
    """Dotted field → line, from 1."""

    def line_of(self, field: str | None) -> int | None:
        """Return the line of a field, or of the nearest part above it that the file has."""
        while field:
            if field in self.lines:
                return self.lines[field]
            field = field.rpartition(".")[0]
        return None

    def place(self, field: str | None) -> str:
        """Return `file:line` of a field, or the file alone when the field is not in it."""
        line = self.line_of(field)
        return f"{self.path}:{line}" if line else str(self.path)


def load(path: str | os.PathLike[str]) -> SpecFile:
    """Read a spec file.

    Raises NotFound (with the nearest file that exists), Refused (unreadable) or InvalidSpec (no YAML, no mapping),
    each naming the file, and the line where there is one.
    """
    file = Path(path).expanduser().absolute()
    text = _text(file)
    document = _parse(file, text)
    if document is None:
        raise InvalidSpec(
            f"{file} is empty", hint="an empty spec is a good one: leave -f out, or write at least `name: default`"
        )
    if not isinstance(document, CommentedMap):
        raise InvalidSpec(
            f"{file}: a spec is a mapping of fields, this is {_kind(document)}", hint="write fields as `workers: 2`"
        )
    _refuse_endless(document, file)
    lines = dict(_lines(document))
    asked = _plain(document, file)
    return SpecFile(path=file, asked=absolute(asked, file.parent), lines=lines)


def complaint(findings: Sequence[Finding], file: SpecFile | None = None) -> InvalidSpec | None:
    """Return the errors among `findings` as one, located in `file`; None when there are none."""
    wrong = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not wrong:
        return None
    first = wrong[0]
    return InvalidSpec(
        "\n".join(_located(finding, file) for finding in wrong),
        field=first.field,
        found=first.found,
        allowed=first.allowed,
        hint=first.hint,
    )


def absolute(asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return `asked` with relative paths (workspace, spark.jars, spark.python) taken from `folder`."""
    result = dict(asked)
    if isinstance(result.get("workspace"), str):
        result["workspace"] = _path(result["workspace"], folder)
    spark = result.get("spark")
    if isinstance(spark, Mapping):
        spark = dict(spark)
        if isinstance(spark.get("jars"), (list, tuple)):
            spark["jars"] = [_path(jar, folder) if isinstance(jar, str) else jar for jar in spark["jars"]]
        if isinstance(spark.get("python"), str) and os.sep in spark["python"]:
            spark["python"] = _path(spark["python"], folder)
        result["spark"] = spark
    return result


def _path(text: str, folder: Path) -> str:
    """Return a path from `folder`; addresses (`s3a://…`) and empty text as they are. Links are kept."""
    return text if not text or "://" in text else os.path.normpath(folder / Path(text).expanduser())


def _located(finding: Finding, file: SpecFile | None) -> str:
    if file is None or file.line_of(finding.field) is None:
        return finding.message
    return f"{file.place(finding.field)}: {finding.message}"


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(_LIMIT + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {file}", found=str(file), hint=_nearest(file)) from error
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}", found=str(file)) from error
    if len(data) > _LIMIT:
        raise InvalidSpec(f"{file} is no spec: it is larger than 1 MiB", hint="name the YAML file with -f")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _binary(file) from error
    if "\0" in text:
        raise _binary(file)
    return text


def _binary(file: Path) -> InvalidSpec:
    return InvalidSpec(f"{file} is no text in UTF-8, so no spec", hint="name the YAML file with -f")


def _nearest(file: Path) -> str | None:
    folder = file.parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist either"
    names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    near = difflib.get_close_matches(file.name, names, 1)
    if near:
        return f"did you mean {folder / near[0]}?"
    specs = sorted(name for name in names if name.endswith((".yaml", ".yml")))
    return f"YAML files there: {', '.join(specs[:5])}" if specs else None


def _parse(file: Path, text: str) -> object:
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    try:
        return yaml.load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        what = str(error.problem or "").split(" with value")[0].replace("found duplicate key", "the field")
        raise InvalidSpec(f"{_at(file, line)}: {what} is there twice", hint="keep one of the two") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise _broken(file, text, line, str(error.problem or "it is no YAML")) from error
    except RecursionError as error:
        raise InvalidSpec(f"{file} is no spec: it is nested too deeply") from error
    except (YAMLError, ValueError, TypeError) as error:  # a tag such as `!!int x` that its value does not fit
        raise InvalidSpec(f"{file}: it is no YAML: {str(error).splitlines()[0]}") from error


def _broken(file: Path, text: str, line: int | None, problem: str) -> InvalidSpec:
    shown = text.splitlines()[line - 1] if line and line <= len(text.splitlines()) else ""
    if "\t" in shown:
        return InvalidSpec(
            f"{_at(file, line)}: a tab, which YAML does not allow here",
            found=shown.strip(),
            hint="indent with spaces",
        )
    return InvalidSpec(f"{_at(file, line)}: {problem}", found=shown.strip() or None)


def _at(file: Path, line: int | None) -> str:
    return f"{file}:{line}" if line else str(file)


def _refuse_endless(document: CommentedMap, file: Path) -> None:
    """Raise InvalidSpec when aliases make a document too large to walk through, or endless."""
    waiting: list[object] = [document]
    for _ in range(_MOST_VALUES):
        if not waiting:
            return
        part = waiting.pop()
        if isinstance(part, CommentedMap):
            waiting += part.values()
        elif isinstance(part, CommentedSeq):
            waiting += part
    raise InvalidSpec(
        f"{file} is no spec: it has more than {_MOST_VALUES} values, or an alias that contains itself",
        hint="write out what the aliases (*name) stand for",
    )


def _lines(part: CommentedMap | CommentedSeq, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield (dotted field, line) of everything below `part`."""
    keys = part.keys() if isinstance(part, CommentedMap) else range(len(part))
    for key in keys:
        where = f"{prefix}{key}"
        mark = part.lc.key(key) if isinstance(part, CommentedMap) else part.lc.item(key)
        if mark is not None:  # a list with a tag of its own (`!!omap`) does not know
            yield where, mark[0] + 1
        if isinstance(part[key], (CommentedMap, CommentedSeq)):
            yield from _lines(part[key], f"{where}.")


def _plain(value: object, file: Path) -> Any:
    """Return ruamel's values as those of the standard library, which JSON can carry."""
    if isinstance(value, CommentedMap):
        for key in value:
            if not isinstance(key, str):
                line = value.lc.key(key)[0] + 1
                raise InvalidSpec(
                    f"{file}:{line}: {key!r} is no name of a field", found=str(key), hint="put it in quotes"
                )
        return {str(key): _plain(item, file) for key, item in value.items()}
    if isinstance(value, CommentedSeq):
        return [_plain(item, file) for item in value]
    match value:
        case None | bool():
            return value
        case int():
            return int(value)
        case ScalarFloat() | float():
            return float(value)
        case _:
            return str(value)


def _kind(document: object) -> str:
    return "a list" if isinstance(document, CommentedSeq) else f"the single value {str(document)[:60]!r}"
