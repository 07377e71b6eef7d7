"""Public: fakes of what the engine needs, and the checks that a fake and the real thing both have to pass.

For authors of backends and stores, and for tests of whatever is built on the engine.

- :class:`FakeClock`: virtual time that moves when it is told to, or when nothing else can.
- :class:`FakeBackend` on a :class:`FakeMachine`: nodes that exist in memory and can be killed, hidden, slowed down.
- :class:`FaultyBackend`: any backend, failing on purpose (:class:`Fault`, :class:`How`) in the phase of your choice.
- :class:`FakeProbe`: answers for the nodes of a fake machine.
- :class:`CrashingStore`: any store, with a crash of the engine at the step of your choice.
- :class:`MemoryStore`: a store in dictionaries.
- :mod:`backend_contract`, :mod:`store_contract`: the checks, each a coroutine function in ``CHECKS``. An author of a
  store gives them a fresh store, an author of a backend a ``Site``; ``docs/reference/testing.md`` shows both.

Does not belong here: anything that only Fireside's own tests need, pytest fixtures, real processes.
"""

from fireside.testing import backend_contract, store_contract
from fireside.testing.backend import FakeBackend, FakeMachine, FakeNode
from fireside.testing.clock import FakeClock
from fireside.testing.crash import CrashingStore
from fireside.testing.faulty import Fault, FaultyBackend, How
from fireside.testing.memory_store import MemoryStore
from fireside.testing.probe import FakeProbe

__all__ = [
    "CrashingStore",
    "FakeBackend",
    "FakeClock",
    "FakeMachine",
    "FakeNode",
    "FakeProbe",
    "Fault",
    "FaultyBackend",
    "How",
    "MemoryStore",
    "backend_contract",
    "store_contract",
]
