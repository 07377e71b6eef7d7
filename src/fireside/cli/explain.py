"""`fireside explain` and `fireside schema`: what a spec means here, before anything is made."""

from __future__ import annotations

from typing import Annotated

import typer

from fireside.cli import options, output, proposal, target, wish


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
    plan = server.plan(wish.with_caller_if_new(server, asked), change=asked.mode)
    if as_json:
        output.show_json(plan)
        return
    proposal.tell_notes(plan)
    proposal.show(plan, conf=show_conf)


def schema() -> None:
    """Print the JSON Schema of a spec, for editors and checks.

    \b
    Examples:
      fireside schema > fireside.schema.json
    """
    from fireside.model.spec import json_schema

    output.show_json(json_schema())
