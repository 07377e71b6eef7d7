"""`fireside scale` and `fireside restart`."""

from __future__ import annotations

from typing import Annotated

import typer

from fireside.cli import options, output, progress, target
from fireside.client import waiting


def scale(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The cluster.", autocompletion=options.complete_name)],
    workers: Annotated[
        int, typer.Argument(metavar="N", parser=options.whole_number, help="How many workers it shall have.")
    ],
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Change the number of workers while the cluster is used.

    A worker that goes is drained first: it takes no new work and hands over what it holds.

    \b
    Examples:
      fireside scale default 4
      fireside scale etl 1 --no-wait
    """
    seconds = options.seconds(timeout)
    server = target.client()
    after = waiting.last_event(server, name)
    view = server.scale(name, workers)
    if wait and view.desired == "running":
        view = progress.watched(server, view, timeout=seconds, quiet=as_json, after=after)
    if as_json:
        output.show_json(view)
    else:
        output.say(f"{view.name!r} is {view.phase} with {view.workers_ready} of {view.workers_wanted} workers")


def restart(
    name: options.Name = None,
    roles: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROLE]...", help="master, worker or connect. Default: all.", show_default=False),
    ] = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Restart a cluster's nodes, all or those of some roles; also after it failed.

    Restarting connect ends all sessions; restarting worker ends running executors, whose tasks are tried again.

    \b
    Examples:
      fireside restart
      fireside restart etl worker
    """
    seconds = options.seconds(timeout)
    server = target.client()
    name = target.pick(server, name)
    after = waiting.last_event(server, name)
    view = server.restart(name, roles or [])
    if wait:
        view = progress.watched(server, view, timeout=seconds, quiet=as_json, after=after)
    if as_json:
        output.show_json(view)
    else:
        output.say(f"{view.name!r} is {view.phase}")
