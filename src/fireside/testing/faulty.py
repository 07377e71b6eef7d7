"""Any backend, failing on purpose: in the phase of your choice, in the way of your choice.

::

    backend = FaultyBackend(FakeBackend(machine), clock)
    backend.plan(Fault("apply", How.HALF))             # the next apply makes half of the nodes, then fails
    backend.plan(Fault("observe", How.LIE, times=3))   # three observations say that there is nothing at all
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from pydantic import SecretStr

from fireside.errors import FiresideError, Unavailable
from fireside.model.findings import Finding
from fireside.model.plan import Plan, SecretName
from fireside.model.sizing import Room
from fireside.model.spec import ClusterSpec
from fireside.ports import Address, Backend, Capabilities, Clock, Hint, LogLine, Note, Observation

T = TypeVar("T")


class How(StrEnum):
    """In which way a call goes wrong."""

    REFUSE = "refuse"  # fails, and does nothing
    HALF = "half"  # apply: does the first half of the nodes, then fails; others: as `LOST`
    LOST = "lost"  # does it, and fails to say so
    HANG = "hang"  # never answers, and does nothing
    LATE = "late"  # does it, and answers late
    BLIND = "blind"  # observe: an empty picture that admits not to be complete
    LIE = "lie"  # observe: an empty picture that claims to be complete


@dataclass(slots=True)
class Fault:
    """One way in which one method goes wrong, for a number of calls."""

    method: str
    how: How
    times: int = 1
    seconds: float = 5.0
    """How late, for `How.LATE`."""
    error: FiresideError = field(default_factory=lambda: Unavailable("the backend failed on purpose"))


class FaultyBackend:
    """Passes every call on to another backend, except for the faults that are planned."""

    def __init__(self, inner: Backend, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._faults: list[Fault] = []
        self.calls: list[str] = []
        """The names of the methods that were called, in order."""

    def plan(self, *faults: Fault) -> None:
        """Have the next calls go wrong."""
        self._faults.extend(faults)

    @property
    def name(self) -> str:
        """Return the inner backend's name."""
        return self._inner.name

    @property
    def capabilities(self) -> Capabilities:
        """Return the inner backend's capabilities."""
        return self._inner.capabilities

    async def survey(self, spec: ClusterSpec) -> Room:
        """Pass on, or fail as planned."""
        return await self._through("survey", lambda: self._inner.survey(spec))

    async def preflight(self, cluster_id: str, plan: Plan) -> Sequence[Finding]:
        """Pass on, or fail as planned."""
        return await self._through("preflight", lambda: self._inner.preflight(cluster_id, plan))

    async def apply(
        self, cluster_id: str, generation: int, plan: Plan, hold: frozenset[str] = frozenset()
    ) -> Sequence[Note]:
        """Pass on, or fail as planned; `How.HALF` holds the second half of the nodes."""
        fault = self._take("apply")
        if fault is not None and fault.how is How.HALF:
            free = [node.name for node in plan.nodes() if node.name not in hold]
            held = hold | frozenset(free[len(free) // 2 :])
            await self._inner.apply(cluster_id, generation, plan, held)
            raise fault.error
        return await self._with(fault, lambda: self._inner.apply(cluster_id, generation, plan, hold))

    async def drain(self, cluster_id: str, nodes: Sequence[str]) -> None:
        """Pass on, or fail as planned."""
        await self._through("drain", lambda: self._inner.drain(cluster_id, nodes))

    async def remove(self, cluster_id: str, *, purge: bool) -> Sequence[Note]:
        """Pass on, or fail as planned."""
        return await self._through("remove", lambda: self._inner.remove(cluster_id, purge=purge))

    async def observe(self, cluster_id: str | None = None) -> Observation:
        """Pass on, or fail as planned."""
        fault = self._take("observe")
        if fault is not None and fault.how in {How.BLIND, How.LIE}:
            seen = await self._inner.observe(cluster_id)
            return replace(seen, complete=fault.how is How.LIE, nodes=(), remains=frozenset())
        return await self._with(fault, lambda: self._inner.observe(cluster_id))

    def watch(self) -> AsyncIterator[Hint]:
        """Pass on."""
        return self._inner.watch()

    def logs(self, cluster_id: str, node: str | None, *, follow: bool, tail: int | None) -> AsyncIterator[LogLine]:
        """Pass on."""
        return self._inner.logs(cluster_id, node, follow=follow, tail=tail)

    async def dial(self, cluster_id: str, node: str, port: str) -> Address:
        """Pass on, or fail as planned."""
        return await self._through("dial", lambda: self._inner.dial(cluster_id, node, port))

    async def put_secrets(self, cluster_id: str, secrets: Mapping[SecretName, SecretStr]) -> None:
        """Pass on, or fail as planned."""
        await self._through("put_secrets", lambda: self._inner.put_secrets(cluster_id, secrets))

    async def read_secrets(self, cluster_id: str) -> Mapping[SecretName, SecretStr]:
        """Pass on, or fail as planned."""
        return await self._through("read_secrets", lambda: self._inner.read_secrets(cluster_id))

    async def workspace(self, cluster_id: str, plan: Plan) -> str:
        """Pass on."""
        return await self._inner.workspace(cluster_id, plan)

    async def driver_environment(self, cluster_id: str, plan: Plan) -> Mapping[str, str]:
        """Pass on."""
        return await self._inner.driver_environment(cluster_id, plan)

    async def data_of(self, cluster_id: str) -> Sequence[tuple[str, int]]:
        """Pass on, or fail as planned."""
        return await self._through("data_of", lambda: self._inner.data_of(cluster_id))

    def _take(self, method: str) -> Fault | None:
        self.calls.append(method)
        for fault in self._faults:
            if fault.method == method:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    async def _through(self, method: str, call: Callable[[], Awaitable[T]]) -> T:
        return await self._with(self._take(method), call)

    async def _with(self, fault: Fault | None, call: Callable[[], Awaitable[T]]) -> T:
        if fault is None:
            return await call()
        match fault.how:
            case How.REFUSE | How.BLIND | How.LIE:
                raise fault.error
            case How.HALF | How.LOST:
                await call()
                raise fault.error
            case How.HANG:
                await asyncio.Event().wait()
                return await call()
            case How.LATE:
                result = await call()
                await self._clock.sleep(fault.seconds)
                return result
