"""The plan: the groups of nodes that a spec means, as values that can be stored, compared and rendered.

A plan holds what follows from the spec alone. What depends on where a node is put (addresses, ports that were
free, directories, secrets) is added by ``fireside.render`` when a backend applies the plan. A stored plan is
applied as it was accepted, so that a newer Fireside never restarts a running cluster by itself.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from fireside.model.state import Frozen, Role, Topology


class Probe(StrEnum):
    """How a node proves that it can be used."""

    MASTER = "master"  # its JSON page says ALIVE
    REGISTERED = "registered"  # the master lists it ALIVE, with the cores and memory of the plan
    HANDSHAKE = "handshake"  # it answers a Spark Connect request


class SecretName(StrEnum):
    """The secrets of a cluster."""

    RPC = "rpc"  # spark.authenticate.secret
    CONNECT_TOKEN = "connect-token"  # noqa: S105 - its name, not its value


class BudgetPart(Frozen):
    """One line of a node's memory sum."""

    name: str
    mib: int


class Budget(Frozen):
    """A node's memory: the limit, and the parts that add up to it. All in MiB."""

    limit: int
    parts: tuple[BudgetPart, ...]

    def of(self, name: str) -> int:
        """Return the MiB of the part called `name`; 0 when there is none."""
        return sum(part.mib for part in self.parts if part.name == name)


class Port(Frozen):
    """A port that a node listens on: its name, and the number that it takes when that is free."""

    name: str
    preferred: int


class Offer(Frozen):
    """What one worker offers to executors (`SPARK_WORKER_CORES`, `SPARK_WORKER_MEMORY` in MiB)."""

    cores: int
    memory: int


class Executor(Frozen):
    """The size of one executor: cores, heap in MiB, and how many fit on one worker."""

    cores: int
    memory: int
    per_worker: int


class Group(Frozen):
    """Nodes of one role from one template."""

    role: Role
    count: int
    cores: int
    budget: Budget
    heap: int
    """JVM heap of the daemon or driver itself, MiB."""
    offer: Offer | None = None
    conf: dict[str, str] = Field(default_factory=dict)
    """Spark configuration of this role, without addresses, directories and secrets."""
    environment: dict[str, str] = Field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    after: tuple[Role, ...] = ()
    """Roles that must be ready before nodes of this group are first started."""
    probe: Probe
    revision: int = 0
    """Grows with every restart that the owner asks for."""


class Node(NamedTuple):
    """One node of a plan. Its name is unique in its cluster: ``master``, ``connect``, ``worker-1`` …"""

    role: Role
    ordinal: int
    name: str


def node_name(role: Role, ordinal: int) -> str:
    """Return the name of the node with this ordinal, which counts from 1."""
    return f"{role.value}-{ordinal}" if role is Role.WORKER else role.value


class Plan(Frozen):
    """What a spec means: groups, and what all of them share."""

    topology: Topology
    backend: str
    spark: str
    """Version of Spark, in full: `4.3.0`."""
    python: str | None = None
    """Python interpreter whose pyspark is used and that runs Python workers; None: the backend's own."""
    groups: tuple[Group, ...]
    executor: Executor | None = None
    driver: dict[str, str] = Field(default_factory=dict)
    """Spark configuration of a driver of the owner's own (`model.conf.driver_conf`); no node depends on it."""
    jars: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    workspace: str | None = None
    """Directory that every node and the driver share; None: one that belongs to the cluster."""
    secrets: tuple[SecretName, ...] = ()

    def group(self, role: Role) -> Group | None:
        """Return the group of `role`, or None when the topology has none."""
        return next((group for group in self.groups if group.role is role), None)

    def nodes(self) -> tuple[Node, ...]:
        """Return every node of the plan, groups in order, ordinals from 1."""
        return tuple(
            Node(group.role, ordinal, node_name(group.role, ordinal))
            for group in self.groups
            for ordinal in range(1, group.count + 1)
        )

    def digest(self, role: Role) -> str:
        """Return a short hash of all that makes a node of `role` what it is; the count is not part of it.

        Neither are the names of the secrets: a token for a Connect server that is added concerns no other node. A
        running node whose digest differs has to be replaced to follow the plan.
        """
        group = self.group(role)
        template = group.model_dump(mode="json", exclude={"count", "after"}) if group else None
        shared = self.model_dump(mode="json", exclude={"groups", "executor", "driver", "secrets"})
        text = json.dumps([template, shared], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
