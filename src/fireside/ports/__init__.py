"""What the engine needs from outside, as protocols: a backend, a store, a clock, a probe.

Adapters live in ``backends``, ``stores`` and ``connect``; fakes and the contract checks that both have to pass
live in ``testing``. Every method is idempotent unless it says otherwise. Time limits belong to the caller: none of
these methods waits for a state to be reached.

Belongs here: the protocols and the values that cross them. Does not belong here: anything that does something.
"""

from fireside.ports.backend import Address, Backend, Capabilities, Hint, LogLine, NodeObservation, Note, Observation
from fireside.ports.clock import Clock
from fireside.ports.probe import MasterStatus, MasterWorker, NodeProbe
from fireside.ports.store import ClusterRecord, Event, Installation, Lease, Step, StepKind, Store

__all__ = [
    "Address",
    "Backend",
    "Capabilities",
    "Clock",
    "ClusterRecord",
    "Event",
    "Hint",
    "Installation",
    "Lease",
    "LogLine",
    "MasterStatus",
    "MasterWorker",
    "NodeObservation",
    "NodeProbe",
    "Note",
    "Observation",
    "Step",
    "StepKind",
    "Store",
]
