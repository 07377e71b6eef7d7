"""Whether nodes fit together into the room that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fireside.errors import DoesNotFit
from fireside.model.quantity import show_memory
from fireside.model.sizing import LEAST_WORKER, Room, least_connect
from fireside.model.state import Role


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes of one role, as the room sees them. Memory in MiB, of one node."""

    role: Role
    count: int
    cores: int
    memory: int


def check_room(nodes: Sequence[Nodes], room: Room) -> None:
    """Raise DoesNotFit, with the numbers that would fit, when nodes need more than the room has.

    Memory is refused in sum: what is over ends in a kill. Cores are refused only for one node that has more than the
    machine, which is a slip; together they may exceed it, because work on shared cores is slower and nothing worse.
    """
    for group in nodes:
        if group.cores > room.cores:
            field = _field(group.role)
            raise DoesNotFit(
                f"a {group.role.value} with {group.cores} cores does not fit: the machine has {room.cores}",
                field=f"{field}.cores",
                found=str(group.cores),
                allowed=f"1 to {room.cores}",
                hint=f"set {field}.cores to {room.cores} or less, or overcommit: true",
            )
    needed = sum(group.count * group.memory for group in nodes)
    if needed <= room.memory:
        return
    workers = next((group for group in nodes if group.role is Role.WORKER), None)
    biggest = workers or nodes[-1]
    left = room.memory - (needed - biggest.count * biggest.memory)
    field, hint = _that_would_fit(biggest, left)
    raise DoesNotFit(
        f"{' + '.join(f'{group.count} {group.role.value} x {group.memory}m' for group in nodes)} = {needed}m does not "
        f"fit: the machine has {room.memory}m",
        field=f"{_field(biggest.role)}.{field}",
        found=str(biggest.count) if field == "count" else show_memory(biggest.memory),
        allowed=f"{room.memory}m for all nodes",
        hint=f"{hint}, or overcommit: true",
    )


def _that_would_fit(group: Nodes, left: int) -> tuple[str, str]:
    """Return the field to change, and how, when all other nodes stay as they are and leave `left` MiB."""
    name = _field(group.role)
    if group.role is not Role.WORKER:
        if left < least_connect(1):
            return "memory", "use a larger machine"
        return "memory", f"set {name}.memory to {show_memory(left)} or less"
    ways = []
    if left >= group.memory:
        ways.append(("count", f"workers.count to {left // group.memory}"))
    if left // group.count >= LEAST_WORKER:
        ways.append(("memory", f"workers.memory to {show_memory(left // group.count)}"))
    if not ways and left >= LEAST_WORKER:
        ways.append(("count", f"workers.count to 1 and workers.memory to {show_memory(left)}"))
    if not ways:
        return "memory", "use topology: single, which is one process"
    return ways[0][0], f"set {' or '.join(way for _, way in ways)}"


def _field(role: Role) -> str:
    return "workers" if role is Role.WORKER else role.value
