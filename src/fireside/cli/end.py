"""`fireside down` and `fireside purge`: stopping clusters, and taking away what they left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli import options, output, progress, target
from fireside.client import waiting
from fireside.errors import Conflict, NotFound

if TYPE_CHECKING:
    from fireside.client.blocking import Client
    from fireside.wire import Removal

_STOP_LIMIT = 120.0
"""Seconds; more than a cluster's grace periods together."""


def down(
    name: options.Name = None,
    everything: Annotated[bool, typer.Option("--all", help="Every cluster.")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Delete the cluster and its data, too.")] = False,
    yes: options.Yes = False,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Stop a cluster. Its tables, its workspace, its events and its logs stay, for the next up.

    \b
    Examples:
      fireside down
      fireside down --all
      fireside down etl --purge      # says what is deleted, and asks
    """
    seconds = options.seconds(timeout) or _STOP_LIMIT
    server = target.client()
    names = _meant(server, name, everything)
    removals = _agreed(server, names, yes=yes, quiet=as_json) if purge else []
    ended = _Ending(server, seconds if wait else None, quiet=as_json)
    for meant in names:
        if purge:
            ended.delete(meant)
        else:
            ended.stop(meant)
    if as_json:
        output.show_json({"clusters": names, "removed": removals})
    elif not names:
        output.say("There are no clusters.")


def purge(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Stopped clusters.", autocompletion=options.complete_name, show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every stopped cluster.")] = False,
    orphans: Annotated[
        bool, typer.Option("--orphans", help="What runs under this installation's id but is in no record.")
    ] = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Delete stopped clusters with their data. Says what goes, with sizes, and asks.

    \b
    Examples:
      fireside purge etl
      fireside purge --all --yes
      fireside purge --orphans
    """
    server = target.client()
    if orphans:
        _purge_orphans(server, yes=yes, as_json=as_json)
        return
    if bool(names) == everything:
        raise typer.BadParameter("name the clusters, or say --all or --orphans", param_hint="'NAME'")
    meant = _stopped(server, names)
    removals = _agreed(server, meant, yes=yes, quiet=as_json)
    ended = _Ending(server, _STOP_LIMIT, quiet=as_json)
    for one in meant:
        ended.delete(one)
    if as_json:
        output.show_json({"clusters": meant, "removed": removals})
    elif not meant:
        output.say("There is nothing to delete.")


class _Ending:
    """Stops or deletes clusters, and waits until they have gone when there is a limit."""

    def __init__(self, server: Client, limit: float | None, *, quiet: bool) -> None:
        self._server = server
        self._limit = limit
        self._quiet = quiet

    def stop(self, name: str) -> None:
        """Stop a cluster; nothing happens when it is stopped already."""
        if self._server.get(name).phase == "stopped":
            self._say(f"{name!r} is stopped already")
            return
        after = waiting.last_event(self._server, name)
        view = self._server.stop(name)
        if self._limit is None:
            self._say(f"{name!r} is stopping")
            return
        with progress.display(quiet=self._quiet) as shown:
            progress.settle(self._server, view, shown, timeout=self._limit, after=after)
        self._say(f"{name!r} is stopped; its data stay. Start it again: fireside up {name}")

    def delete(self, name: str) -> None:
        """Delete a cluster and its data."""
        view = self._server.get(name)
        after = waiting.last_event(self._server, name)
        self._server.delete(name, purge=True)
        if self._limit is not None:
            try:
                with progress.display(quiet=self._quiet) as shown:
                    progress.settle(self._server, view, shown, timeout=self._limit, after=after)
            except NotFound:
                self._say(f"{name!r} is deleted")
                return
        self._say(f"{name!r} is being deleted")

    def _say(self, text: str) -> None:
        if not self._quiet:
            output.say(text)


def _meant(server: Client, name: str | None, everything: bool) -> list[str]:
    if not everything:
        return [target.pick(server, name)]
    if name is not None:
        raise typer.BadParameter("name a cluster or say --all, not both", param_hint="'--all'")
    return [view.name for view in server.list_clusters().clusters]


def _stopped(server: Client, names: Sequence[str] | None) -> list[str]:
    """Return the clusters to purge. Raises Conflict for one that runs, NotFound for one that is not there."""
    if not names:
        return [view.name for view in server.list_clusters().clusters if view.phase == "stopped"]
    for name in names:
        view = server.get(name)
        if view.phase not in {"stopped", "failed"}:
            raise Conflict(
                f"{name!r} is {view.phase}: only the data of stopped clusters are purged",
                found=view.phase,
                hint=f"fireside down {name} --purge",
            )
    return list(names)


def _agreed(server: Client, names: Sequence[str], *, yes: bool, quiet: bool) -> list[Removal]:
    """Return what goes, after its owner agreed. Raises Conflict when nobody can be asked."""
    removals = [server.data(name) for name in names]
    if not names or (yes and quiet):
        return removals
    text = "\n".join(line for removal in removals for line in _lines(removal))
    _ask(text, yes=yes, asked="Delete this?", quiet=quiet)
    return removals


def _ask(text: str, *, yes: bool, asked: str, quiet: bool) -> None:
    if yes:
        output.tell(text)
        return
    if quiet or not output.at_terminal():
        raise Conflict(text, hint="repeat it with --yes to delete this")
    output.tell(text)
    if not typer.confirm(asked, err=True):
        output.tell("nothing was deleted")
        raise typer.Exit(4)


def _lines(removal: Removal) -> list[str]:
    if not removal.data:
        return [f"this deletes {removal.name!r}, which has no data"]
    total = output.size(sum(removal.data.values()))
    return [
        f"this deletes {removal.name!r} and its data, {total}:",
        *(f"  {output.size(size):>10}  {path}" for path, size in removal.data.items()),
    ]


def _purge_orphans(server: Client, *, yes: bool, as_json: bool) -> None:
    found = server.health().orphans
    if found:
        text = "\n".join(
            ["these run under this installation's id but are in no record:", *(f"  {one}" for one in found)]
        )
        if not (yes and as_json):
            _ask(text, yes=yes, asked="End them?", quiet=as_json)
    removed = server.purge_orphans().removed
    if as_json:
        output.show_json({"removed": removed})
        return
    for one in removed:
        output.say(f"{one} is ended")
    if not removed:
        output.say("There are no orphans.")
