"""A probe: how nodes are asked whether they can be used, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from fireside.ports.backend import Address


@dataclass(frozen=True, slots=True)
class MasterWorker:
    """A worker as the master lists it. Memory in MiB."""

    host: str
    port: int
    state: str
    cores: int
    memory: int


@dataclass(frozen=True, slots=True)
class MasterStatus:
    """What a master's JSON page says."""

    status: str
    workers: tuple[MasterWorker, ...]


class NodeProbe(Protocol):
    """Ask nodes how they are. Each call makes one attempt."""

    async def master(self, ui: Address) -> MasterStatus:
        """Read a master's JSON page. Raises Unavailable."""
        ...

    async def handshake(self, address: Address, token: SecretStr | None) -> str:
        """Ask a Connect server for its Spark version; leaves no session behind. Raises Unavailable or NotAllowed."""
        ...
