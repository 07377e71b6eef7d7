"""Public: fakes of what the engine needs, and the checks that a fake and the real thing both have to pass.

For authors of backends and stores, and for tests of whatever is built on the engine.

- :class:`~fireside.testing.clock.FakeClock`: virtual time that moves when it is told to, or when nothing else can.
- :class:`~fireside.testing.backend.FakeBackend` on a :class:`~fireside.testing.backend.FakeMachine`: nodes that exist
  in memory and can be killed, hidden, slowed down.
- :class:`~fireside.testing.faulty.FaultyBackend`: any backend, failing on purpose in the phase of your choice.
- :class:`~fireside.testing.probe.FakeProbe`: answers for the nodes of a fake machine.
- :class:`~fireside.testing.crash.CrashingStore`: any store, with a crash of the engine at the step of your choice.
- :class:`~fireside.testing.memory_store.MemoryStore`: a store in dictionaries.
- :mod:`~fireside.testing.backend_contract`, :mod:`~fireside.testing.store_contract`: the checks.

Does not belong here: anything that only Fireside's own tests need, pytest fixtures, real processes.
"""
