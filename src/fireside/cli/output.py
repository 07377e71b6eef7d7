"""What commands print: tables without a terminal's help, JSON, and the one error block.

Results go to stdout, everything else (progress, notes, errors, questions) to stderr, so that a pipe carries only the
result. With ``--json`` an error is a problem as JSON, on stderr too: stdout stays empty unless there is a result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from fireside.errors import FiresideError

if TYPE_CHECKING:
    from pydantic import BaseModel

_JSON = "fireside.json"


def remember_json(ctx: typer.Context, wanted: bool) -> bool:
    """Note that the caller reads JSON: an error has to be JSON, too."""
    ctx.meta[_JSON] = ctx.meta.get(_JSON, False) or wanted
    return wanted


def wants_json(ctx: Any) -> bool:
    """Return whether `--json` was given to the command in or below this context."""
    return bool(ctx.meta.get(_JSON))


def say(text: str = "") -> None:
    """Print a line of the result."""
    typer.echo(text)


def tell(text: str) -> None:
    """Print a line that is not part of the result, to stderr."""
    typer.echo(text, err=True)


def show_json(value: object) -> None:
    """Print a value, or wire forms, as JSON."""
    say(json.dumps(plain(value), indent=2, ensure_ascii=False, default=str))


def plain(value: object) -> object:
    """Return wire forms in `value` as plain JSON values."""
    if hasattr(value, "model_dump"):
        form: BaseModel = value  # type: ignore[assignment]
        return form.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> str:
    """Return aligned columns; those named in `right` are aligned to the right. No trailing spaces."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    to_right = {column for column, title in enumerate(header) if title in set(right)}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in to_right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def report(error: FiresideError, *, as_json: bool = False) -> int:
    """Print an error as one block on stderr and return its exit status."""
    from fireside import wire

    if as_json:
        tell(wire.problem_of(error).model_dump_json(exclude_none=True))
    else:
        tell(block(error))
    return wire.row_of(error).exit


def block(error: FiresideError) -> str:
    """Return an error as the lines that people read."""
    lines = [f"error: {error.message}"]
    lines += [f"{name}: {value}" for name in ("field", "found", "allowed", "hint") if (value := getattr(error, name))]
    return "\n".join(lines)


def at_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def size(count: int) -> str:
    """Return a number of bytes as people read it: `0 B`, `12.5 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def age(seconds: float) -> str:
    """Return a length of time as people read it: `42s`, `3m`, `5h`, `2d`."""
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, int(seconds // divisor))}{unit}"
    return f"{int(seconds // 86400)}d"
