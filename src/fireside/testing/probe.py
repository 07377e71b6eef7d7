"""A probe for the nodes of a fake machine: answers as a master and a Connect server would."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from fireside.errors import NotAllowed, Unavailable
from fireside.model.plan import SecretName
from fireside.model.state import NodeState, Role
from fireside.ports import Address, MasterStatus, MasterWorker
from fireside.testing.backend import FakeMachine, FakeNode


class FakeProbe:
    """A `NodeProbe` that looks at a `FakeMachine` instead of asking over the network."""

    def __init__(self, machine: FakeMachine) -> None:
        self._machine = machine
        self.asked = 0
        """How many questions were asked."""

    async def master(self, ui: Address) -> MasterStatus:
        """List the ready workers of the master at `ui`. Raises Unavailable."""
        master = await self._answering(ui)
        nodes = self._machine.clusters[master.installation, master.cluster_id].values()
        workers = [_listed(node) for node in nodes if node.role is Role.WORKER and self._ready(node)]
        return MasterStatus("ALIVE", tuple(workers))

    async def handshake(self, address: Address, token: SecretStr | None) -> str:
        """Return the version of the Connect server at `address`. Raises Unavailable, NotAllowed."""
        server = await self._answering(address)
        stored = self._machine.secrets.get((server.installation, server.cluster_id), {})
        if stored.get(SecretName.CONNECT_TOKEN) != token:
            raise NotAllowed(f"the Connect server at {address} refused the token")
        return server.spark

    async def _answering(self, address: Address) -> FakeNode:
        self.asked += 1
        await asyncio.sleep(0)
        node = self._machine.ports.get(address)
        if node is None or not self._ready(node):
            raise Unavailable(f"nothing answers at {address}")
        return node

    def _ready(self, node: FakeNode) -> bool:
        up = node.state is NodeState.RUNNING and self._machine.seconds() >= node.ready_at
        return up and not node.silent


def _listed(node: FakeNode) -> MasterWorker:
    address = next(iter(node.addresses.values()))
    offer = node.offer
    cores, memory = (offer.cores, offer.memory) if offer else (1, 1024)
    return MasterWorker(address.host, address.port, "ALIVE", cores, memory)
