"""`fireside up`: from a wish to a cluster that can be used, and how to use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli import options, output, progress, proposal, target, wish
from fireside.client import waiting

if TYPE_CHECKING:
    from fireside.wire import ClusterView, ProposalView


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
    spec = wish.with_caller_if_new(server, asked)
    plan = server.plan(spec, change=asked.mode)
    if dry_run:
        _show_plan(asked.name, plan, as_json)
        return
    if not as_json:
        proposal.tell_notes(plan)
    if plan.change.action == "change":
        proposal.agree(asked.name, plan.change, yes=yes, quiet=as_json)
    after = waiting.last_event(server, asked.name)
    view = server.create(spec, change=asked.mode, expected_generation=plan.generation)
    if wait:
        view = progress.watched(server, view, timeout=seconds, quiet=as_json, after=after)
    if as_json:
        output.show_json(view)
    elif wait:
        _welcome(view)
    else:
        output.say(f"{view.name!r} is {view.phase}. See: fireside status {view.name}")


def _show_plan(name: str, plan: ProposalView, as_json: bool) -> None:
    if as_json:
        output.show_json(plan)
        return
    proposal.tell_notes(plan)
    match plan.change.action:
        case "change":
            output.say(proposal.describe(name, plan.change))
        case "nothing":
            output.say(f"{name!r} is as you ask: nothing would change")
        case action:
            output.say(f"this would {action} {name!r}:")
    output.say()
    proposal.show(plan)


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
