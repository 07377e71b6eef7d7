"""A plan before it is made, shown: how its memory adds up, what the owner should know, what it would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from fireside.cli import output
from fireside.errors import Conflict

if TYPE_CHECKING:
    from fireside.wire import ChangeView, ProposalView, Sum


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
    return f"all nodes: {parts} = {proposal.total_memory} MiB\nthis machine: {proposal.room_memory} MiB; {verdict}"


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
