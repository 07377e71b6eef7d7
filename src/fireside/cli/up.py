"""`fireside up`: from a wish to a cluster that can be used, and how to use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fireside.cli import options, output, progress, target, wish
from fireside.errors import Conflict, NotFound

if TYPE_CHECKING:
    from fireside.client.blocking import Client
    from fireside.wire import ChangeView, ClusterView, ProposalView


def up(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Name of the cluster. Default: that of the file, or default.",
            autocompletion=options.complete_name,
            show_default=False,
        ),
    ] = None,
    file: options.File = None,
    workers: options.Workers = None,
    cores: options.Cores = None,
    memory: options.Memory = None,
    topology: options.Topology = None,
    fields: options.Set = None,
    conf: options.Conf = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and end.")] = False,
    yes: options.Yes = False,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
) -> None:
    """Start a cluster, or change the one that has this name.

    Everything that you do not say is fitted to this machine. On a cluster that exists, flags change what they name;
    a file is the whole spec. A change is shown first, and made after you agreed to it.

    \b
    Examples:
      fireside up
      fireside up etl --workers 4 --memory 3g
      fireside up -f cluster.yaml --set executors.memory=1g
      fireside up etl --workers 6 --dry-run
    """
    seconds = options.seconds(timeout)
    asked = wish.read(wish.Flags(name, file, workers, cores, memory, topology, fields, conf))
    server = target.client()
    spec = with_caller_if_new(server, asked)
    proposal = server.plan(spec, change=asked.mode)
    if dry_run:
        _show_plan(asked.name, proposal, as_json)
        return
    if not as_json:
        tell_notes(proposal)
    if proposal.change.action == "change":
        agree(asked.name, proposal.change, yes=yes, quiet=as_json)
    after = progress.last_event(server, asked.name)
    view = server.create(spec, change=asked.mode, expected_generation=proposal.generation)
    if wait:
        view = watched(server, view, timeout=seconds, quiet=as_json, after=after)
    if as_json:
        output.show_json(view)
    elif wait:
        _welcome(view)
    else:
        output.say(f"{view.name!r} is {view.phase}. See: fireside status {view.name}")


def with_caller_if_new(server: Client, asked: wish.Wish) -> dict[str, Any]:
    """Return the wish with the caller's Python and PySpark, unless it only changes a cluster that exists."""
    from fireside.client.caller import with_caller

    if asked.mode == "merge":
        try:
            server.get(asked.name)
        except NotFound:
            return with_caller(asked.asked)
        return asked.asked
    return with_caller(asked.asked)


def watched(server: Client, view: ClusterView, *, timeout: float | None, quiet: bool, after: int) -> ClusterView:
    """Wait for a cluster and show it. After Ctrl-C, say in which state it is left, and end with 130."""
    try:
        with progress.display(quiet=quiet) as shown:
            return progress.settle(server, view, shown, timeout=timeout, after=after)
    except KeyboardInterrupt as error:
        output.tell(
            f"interrupted: {view.name!r} goes on by itself\n"
            f"  see it:   fireside status {view.name}\n"
            f"  stop it:  fireside down {view.name}"
        )
        raise typer.Exit(130) from error


def agree(name: str, change: ChangeView, *, yes: bool, quiet: bool = False) -> None:
    """Show a change of a cluster that exists, and go on only when its owner agrees.

    Without a terminal nobody can be asked: raises Conflict unless `yes`.
    """
    text = describe(name, change)
    if yes:
        if not quiet:
            output.tell(text)
        return
    if quiet or not output.at_terminal():
        raise Conflict(text, hint="repeat it with --yes to make this change, or with --dry-run to see it in full")
    output.tell(text)
    if not typer.confirm("Make this change?", err=True):
        output.tell("nothing was changed")
        raise typer.Exit(4)


def describe(name: str, change: ChangeView) -> str:
    """Return in lines what a change does."""
    lines = [f"this changes {name!r}:"]
    lines += [f"  {field}: {_value(old)} → {_value(new)}" for field, (old, new) in change.fields.items()]
    lines += [f"  while it is used: {text}" for text in change.live]
    lines += [f"  restarts: {text}" for text in change.restarts]
    return "\n".join(lines)


def _value(value: Any) -> str:
    return "unset" if value is None else str(value)


def tell_notes(proposal: ProposalView) -> None:
    """Print what the owner should know of a plan, to stderr."""
    for note in proposal.notes:
        output.tell(f"note: {note}")
    for warning in proposal.warnings:
        output.tell(f"warning: {warning.message}" + (f" ({warning.hint})" if warning.hint else ""))


def _show_plan(name: str, proposal: ProposalView, as_json: bool) -> None:
    from fireside.cli import explain

    if as_json:
        output.show_json(proposal)
        return
    match proposal.change.action:
        case "change":
            output.say(describe(name, proposal.change))
        case "nothing":
            output.say(f"{name!r} is as you ask: nothing would change")
        case action:
            output.say(f"this would {action} {name!r}:")
    output.say()
    explain.show(proposal)


def _welcome(view: ClusterView) -> None:
    plural = "" if view.workers_ready == 1 else "s"
    workers = f", {view.workers_ready} worker{plural}" if view.workers_wanted else ""
    output.say(f"{view.name!r} is ready: Spark {view.spark}{workers} ({view.topology}, {view.backend})")
    for title, link in view.links.items():
        output.say(f"  {title}: {link}")
    name = "" if view.name == target.DEFAULT else view.name
    if any(node.role == "connect" for node in view.nodes):
        output.say(_SNIPPET.format(quoted=repr(view.name), name=view.name))
    else:
        output.say(_CLASSIC.format(name=view.name))
    output.say(f"Stop it:  {f'fireside down {name}'.rstrip()}")


_SNIPPET = """
In Python:
  import fireside
  spark = fireside.cluster({quoted}).session()
  spark.range(10).show()

With stock PySpark:
  eval "$(fireside env {name})"
  python -c 'from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate().range(10).show()'
"""
_CLASSIC = """
Run a script with a driver of its own:
  fireside run --classic {name} script.py
"""
