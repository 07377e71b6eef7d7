"""`fireside ps` and `fireside status`: what there is, and how it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fireside.cli import options, output, target

if TYPE_CHECKING:
    from fireside.wire import ClusterView, NodeView


def ps(
    everything: Annotated[bool, typer.Option("--all", "-a", help="Stopped clusters, too.")] = False,
    as_json: options.Json = False,
) -> None:
    """List clusters.

    \b
    Examples:
      fireside ps
      fireside ps --all --json
    """
    found = target.listing()
    listed = [view for view in found if everything or view["phase"] != "stopped"]
    if as_json:
        output.show_json({"clusters": listed})
        return
    if listed:
        output.say(_clusters(listed))
    elif not found:
        output.say("No clusters. Start one: fireside up")
    if hidden := len(found) - len(listed):
        some = f"{hidden} stopped cluster{'s' if hidden > 1 else ''}"
        output.say(f"{'And' if listed else 'Nothing runs;'} {some}: fireside ps --all")
    if not listed:
        _tell_of_orphans()


def _tell_of_orphans() -> None:
    """Say what runs in no record: "nothing runs" would be half of the truth after the store was lost."""
    if orphans := target.orphans():
        output.tell(f"note: these run here but are in no record: {', '.join(orphans)}")
        output.tell("      end them with: fireside purge --orphans")


def status(name: options.Name = None, as_json: options.Json = False) -> None:
    """Show one cluster: its phase and why, its nodes, its pages.

    \b
    Examples:
      fireside status
      fireside status etl --json
    """
    server = target.client()
    view = server.get(target.pick(server, name))
    if as_json:
        output.show_json(view)
        return
    output.say(_facts(view))
    if view.nodes:
        output.say()
        output.say(_nodes(view.nodes))
    if view.links:
        output.say()
        output.say("\n".join(f"{title}: {link}" for title, link in view.links.items()))


def _clusters(views: list[dict[str, Any]]) -> str:
    rows = [
        (
            view["name"],
            view["phase"],
            _workers(view["workers_ready"], view["workers_wanted"]),
            view["spark"],
            view["topology"],
            view["backend"],
            _since(datetime.fromisoformat(view["created_at"])),
            "" if view["phase"] == "ready" else (view["message"] or ""),
        )
        for view in views
    ]
    header = ("NAME", "PHASE", "WORKERS", "SPARK", "TOPOLOGY", "BACKEND", "AGE", "MESSAGE")
    return _without_empty_last(header, rows)


def _facts(view: ClusterView) -> str:
    facts = [
        ("cluster", f"{view.name} ({view.id})"),
        ("phase", f"{view.phase} for {_since(view.since)}"),
        ("message", view.message),
        ("reason", view.reason),
        ("to do", view.hint),
        ("spark", f"{view.spark}, {view.topology} on {view.backend}"),
        ("workers", _workers(view.workers_ready, view.workers_wanted)),
        ("change", _pending(view)),
    ]
    return "\n".join(f"{title + ':':<9} {value}" for title, value in facts if value)


def _pending(view: ClusterView) -> str | None:
    if view.observed_generation >= view.generation:
        return None
    return f"generation {view.generation} is being applied, {view.observed_generation} runs"


def _nodes(nodes: list[NodeView]) -> str:
    rows = [
        (
            node.name,
            node.phase,
            str(node.cores),
            node.memory,
            str(node.restarts),
            " ".join(f"{port}={address}" for port, address in node.addresses.items()),
            node.message or "",
        )
        for node in nodes
    ]
    header = ("NODE", "PHASE", "CORES", "MEMORY", "RESTARTS", "ADDRESSES", "MESSAGE")
    return _without_empty_last(header, rows, right=("CORES", "MEMORY", "RESTARTS"))


def _without_empty_last(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Return a table without its last column when no row has anything in it."""
    if any(row[-1] for row in rows):
        return output.table(header, rows, right=right)
    return output.table(header[:-1], [row[:-1] for row in rows], right=right)


def _workers(ready: int, wanted: int) -> str:
    return f"{ready}/{wanted}" if wanted else "-"


def _since(moment: datetime) -> str:
    return output.age((datetime.now(UTC) - moment).total_seconds())
