"""`fireside logs` and `fireside events`: what nodes wrote, and what happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli import options, output, target

if TYPE_CHECKING:
    from pydantic import BaseModel

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on as new lines come.")]


def logs(
    name: options.Name = None,
    node: Annotated[
        str | None,
        typer.Argument(metavar="[NODE]", help="Such as master or worker-1. Default: all nodes.", show_default=False),
    ] = None,
    follow: Follow = False,
    tail: Annotated[int, typer.Option("--tail", min=0, help="Past lines of each node and executor.")] = 100,
    as_json: options.Json = False,
) -> None:
    """Print what the nodes wrote, executors and Python workers included.

    With --json each line is an object.

    \b
    Examples:
      fireside logs
      fireside logs etl worker-1 --tail 20
      fireside logs etl -f
    """
    server = target.client()
    lines = server.logs(target.pick(server, name), node=node, follow=follow, tail=tail)
    if as_json:
        _objects(lines)
        return
    for line in lines:
        who = line.node if line.source == "daemon" else f"{line.node} {line.source}"
        output.say(f"{who} | {line.text}")


def events(name: options.Name = None, follow: Follow = False, as_json: options.Json = False) -> None:
    """Print what happened to a cluster, oldest first.

    With --json each line is an object.

    \b
    Examples:
      fireside events
      fireside events etl -f
    """
    server = target.client()
    found = server.events(target.pick(server, name), follow=follow)
    if as_json:
        _objects(found)
        return
    for event in found:
        output.say(f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}  {event.kind:<18}  {event.message}")


def _objects(forms: Iterable[BaseModel]) -> None:
    for form in forms:
        output.say(form.model_dump_json())
