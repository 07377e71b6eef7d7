"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fireside.cli.output import remember_json


def complete_name(incomplete: str) -> list[str]:
    """Return the names of clusters that begin so; asks a server that runs, and never starts one."""
    from fireside.cli.target import names_now

    return [name for name in names_now() if name.startswith(incomplete)]


def whole_number(text: str) -> int:
    """Return a number that an argument says. Raises a usage error that repeats the value."""
    try:
        return int(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a whole number") from error


Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="The cluster. Default: the only one there is, or the one called default.",
        autocompletion=complete_name,
        show_default=False,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", is_eager=True, callback=remember_json, help="Print JSON, errors included.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="Wait at most so long, such as 90s or 5m.", show_default=False),
]
File = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="Spec to use, in YAML.", show_default=False)
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", metavar="N", parser=whole_number, help="How many workers.", show_default=False),
]
Cores = Annotated[
    int | None,
    typer.Option(
        "--cores",
        metavar="N",
        parser=whole_number,
        help="CPU cores of one worker (topology single: of the server).",
        show_default=False,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="SIZE", help="All memory of one worker, such as 2g.", show_default=False),
]
Topology = Annotated[
    str | None, typer.Option("--topology", metavar="NAME", help="standalone or single.", show_default=False)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any field of the spec, such as executors.memory=1g. Repeatable.",
        show_default=False,
    ),
]
Conf = Annotated[
    list[str] | None,
    typer.Option(
        "--conf", metavar="KEY=VALUE", help="Spark configuration for every role. Repeatable.", show_default=False
    ),
]


def seconds(text: str | None) -> float | None:
    """Return the seconds of a `--timeout`. Raises a usage error."""
    if text is None:
        return None
    from fireside.model import quantity

    try:
        return quantity.seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--timeout'") from error
