"""`fireside explain` and `fireside schema`: what a spec means here, before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli import options, output, target, wish
from fireside.cli.up import tell_notes, with_caller_if_new

if TYPE_CHECKING:
    from fireside.wire import ProposalView, Sum


def explain(
    name: options.Name = None,
    file: options.File = None,
    workers: options.Workers = None,
    cores: options.Cores = None,
    memory: options.Memory = None,
    topology: options.Topology = None,
    fields: options.Set = None,
    conf: options.Conf = None,
    show_conf: Annotated[bool, typer.Option("--show-conf", help="Spark configuration of each role, too.")] = False,
    as_json: options.Json = False,
) -> None:
    """Print how the memory of each node adds up, and what the machine has.

    A cluster that exists is explained as it is, with flags as they would change it.

    \b
    Examples:
      fireside explain
      fireside explain -f cluster.yaml --show-conf
      fireside explain --workers 4 --memory 2g
    """
    asked = wish.read(wish.Flags(name, file, workers, cores, memory, topology, fields, conf))
    server = target.client()
    proposal = server.plan(with_caller_if_new(server, asked), change=asked.mode)
    if as_json:
        output.show_json(proposal)
        return
    tell_notes(proposal)
    show(proposal, conf=show_conf)


def schema() -> None:
    """Print the JSON Schema of a spec, for editors and checks.

    \b
    Examples:
      fireside schema > fireside.schema.json
    """
    from fireside.model.spec import json_schema

    output.show_json(json_schema())


def show(proposal: ProposalView, *, conf: bool = False) -> None:
    """Print the sums of a plan, and the configuration of its roles when asked to."""
    for item in proposal.sums:
        output.say(_sum(item))
        output.say()
    output.say(_room(proposal))
    if conf:
        for role, values in proposal.conf.items():
            output.say()
            output.say(f"{role}:")
            for key, value in sorted(values.items()):
                output.say(f"  {key}={value}")


def _sum(item: Sum) -> str:
    """Return one role's memory as a sum: its parts, a line, the limit."""
    title = f"{item.role}: {item.count} x {item.cores} core{'s' if item.cores > 1 else ''}"
    width = max(len(part) for part in (*item.parts, "limit of a node"))
    digits = len(str(item.limit))
    rows = [f"  {part:<{width}}  {mib:>{digits}} MiB" for part, mib in item.parts.items()]
    total = f"  {'limit of a node':<{width}}  {item.limit:>{digits}} MiB"
    return "\n".join([title, *rows, f"  {'-' * (len(total) - 2)}", total])


def _room(proposal: ProposalView) -> str:
    parts = " + ".join(f"{item.count} x {item.limit}" for item in proposal.sums)
    left = proposal.room_memory - proposal.total_memory
    verdict = f"{left} MiB are left" if left >= 0 else f"{-left} MiB are missing"
    return f"all nodes: {parts} = {proposal.total_memory} MiB of {proposal.room_memory} MiB here; {verdict}"
