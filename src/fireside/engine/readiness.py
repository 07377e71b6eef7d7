"""Asks the nodes of one cluster whether they can be used, all at once and with a limit for each.

A master counts when it says ALIVE; a worker when that master lists it ALIVE at its own address with exactly the cores
and memory of the plan; a Connect server when it answers a handshake. A running process alone proves nothing (HLT-02),
and a master that lists two workers of four makes two nodes ready, not four (W-08).

Only nodes that run and follow the plan are asked: what is about to be replaced would give answers to old questions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from fireside.engine.clock import within
from fireside.engine.nodes import Answer
from fireside.errors import FiresideError, TimedOut, Unavailable
from fireside.model.plan import Node, Offer, Plan, Probe, SecretName
from fireside.model.quantity import show_memory
from fireside.model.spark import GRPC, RPC, UI
from fireside.model.state import NodeState, Role
from fireside.ports import (
    Address,
    Backend,
    Clock,
    ClusterRecord,
    MasterStatus,
    MasterWorker,
    NodeObservation,
    NodeProbe,
)

ASK_SECONDS = 5.0
"""Limit of one question. A Connect server whose first answer takes longer is asked again; it went on loading."""

ALIVE = "ALIVE"


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks nodes of one backend."""

    backend: Backend
    probe: NodeProbe
    clock: Clock

    async def ask(self, record: ClusterRecord, seen: Mapping[str, NodeObservation]) -> dict[str, Answer]:
        """Return the answer of each node that can be asked."""
        digests = {group.role: record.plan.digest(group.role) for group in record.plan.groups}
        asked = [node for node in record.plan.nodes() if _can_be_asked(seen.get(node.name), digests[node.role])]
        if not asked:
            return {}
        wants_master = any(_probe(node, record.plan) is not Probe.HANDSHAKE for node in asked)
        servers = [node for node in asked if _probe(node, record.plan) is Probe.HANDSHAKE]
        async with asyncio.TaskGroup() as group:
            master = group.create_task(self._master(record)) if wants_master else None
            shakes = {node.name: group.create_task(self._handshake(record, node)) for node in servers}
        answers = {name: task.result() for name, task in shakes.items()}
        if master is not None:
            status = master.result()
            for node in asked:
                if node not in servers:
                    answers[node.name] = _from_master(node, record.plan, seen[node.name], status)
        return answers

    async def _master(self, record: ClusterRecord) -> MasterStatus | Answer:
        """Return what the master says, or why it says nothing."""
        try:
            return await within(self.clock, ASK_SECONDS, "asking the master", self._read_master(record.id))
        except FiresideError as error:
            return _no_answer(error)

    async def _read_master(self, cluster_id: str) -> MasterStatus:
        return await self.probe.master(await self.backend.dial(cluster_id, Role.MASTER.value, UI))

    async def _handshake(self, record: ClusterRecord, node: Node) -> Answer:
        what = f"asking {node.name}"
        try:
            version = await within(self.clock, ASK_SECONDS, what, self._shake(record, node))
        except FiresideError as error:
            return _no_answer(error)
        if version != record.plan.spark:
            return Answer(False, f"it answers as Spark {version}, the plan says {record.plan.spark}")
        return Answer(True)

    async def _shake(self, record: ClusterRecord, node: Node) -> str:
        address = await self.backend.dial(record.id, node.name, GRPC)
        return await self.probe.handshake(address, await self._token(record))

    async def _token(self, record: ClusterRecord) -> SecretStr | None:
        if SecretName.CONNECT_TOKEN not in record.plan.secrets:
            return None
        return (await self.backend.read_secrets(record.id)).get(SecretName.CONNECT_TOKEN)


def _no_answer(error: FiresideError) -> Answer:
    """Return why a node could not be asked; the usual reasons in few words, because owners read them all the time."""
    match error:
        case TimedOut():
            return Answer(False, f"gives no answer within {ASK_SECONDS:g} s")
        case Unavailable():
            return Answer(False, "does not answer")
        case _:
            return Answer(False, error.message)


def _probe(node: Node, plan: Plan) -> Probe | None:
    group = plan.group(node.role)
    return group.probe if group else None


def _can_be_asked(there: NodeObservation | None, digest: str) -> bool:
    return there is not None and there.state is NodeState.RUNNING and there.digest == digest


def _from_master(node: Node, plan: Plan, seen: NodeObservation, said: MasterStatus | Answer) -> Answer:
    """Return what a master's page says of a node, be it the master itself or a worker."""
    if isinstance(said, Answer):
        return said if node.role is Role.MASTER else Answer(False, "the master does not answer")
    if said.status != ALIVE:
        return Answer(False, f"the master is {said.status}")
    group = plan.group(node.role)
    if group is None or group.probe is Probe.MASTER:
        return Answer(True)
    return _registered(seen.addresses.get(RPC), group.offer, said.workers)


def _registered(address: Address | None, offer: Offer | None, workers: tuple[MasterWorker, ...]) -> Answer:
    # A worker that came back is listed beside its former self (DEAD) for a minute: only the living count.
    same = [worker for worker in workers if address is not None and (worker.host, worker.port) == _pair(address)]
    listed = next((worker for worker in same if worker.state == ALIVE), None)
    if listed is None:
        state = f"the master lists it as {same[-1].state}" if same else "not registered at the master yet"
        return Answer(False, state)
    if offer is not None and (listed.cores, listed.memory) != (offer.cores, offer.memory):
        has = f"{listed.cores} cores and {show_memory(listed.memory)}"
        return Answer(
            False, f"registered with {has}, the plan says {offer.cores} cores and {show_memory(offer.memory)}"
        )
    return Answer(True)


def _pair(address: Address) -> tuple[str, int]:
    return address.host, address.port
