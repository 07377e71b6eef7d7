"""Who is who among the processes of this machine.

A PID alone names nobody: it is given again after its process ended, and clocks that jump make start *times*
useless. A process is known by its PID, the kernel's tick in which it started, and the boot in which that tick was
counted. What belongs to a node is found by the labels in its environment, which executors and Python workers
inherit, so that it is found without any record; by its session; and by its parents.

On Linux ``/proc`` is read directly, one pass for everything; elsewhere psutil is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

INSTALLATION = "FIRESIDE_INSTALLATION"
CLUSTER = "FIRESIDE_CLUSTER"
NODE = "FIRESIDE_NODE"
INCARNATION = "FIRESIDE_INCARNATION"
LABELS = (INSTALLATION, CLUSTER, NODE, INCARNATION)

_PROC = "/proc"
_MUCH = 65_536  # bytes of one reading: most environments are far smaller
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_EXECUTOR = b"org.apache.spark.executor.CoarseGrainedExecutorBackend"
_POLL_SECONDS = 0.1  # only where the kernel cannot tell that a process ended


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process and no other, ever."""

    pid: int
    ticks: int
    """When it started, in the kernel's own count."""
    boot: str


@dataclass(frozen=True, slots=True)
class Label:
    """What Fireside wrote into the environment of a node."""

    cluster: str
    node: str
    incarnation: str


@dataclass(frozen=True, slots=True)
class Process:
    """A living process of this user; zombies are none."""

    id: ProcessId
    parent: int
    session: int
    label: Label | None = None
    """None: not of this installation."""
    executor: bool = False
    """A Spark executor."""

    @property
    def leads(self) -> bool:
        """Whether it leads its session, as every node does that was started here."""
        return self.id.pid == self.session


class Processes:
    """All processes of this user at one moment."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._by_pid = {process.id.pid: process for process in processes}

    def __iter__(self) -> Iterator[Process]:
        return iter(self._by_pid.values())

    def has(self, identity: ProcessId) -> bool:
        """Return whether this very process lives."""
        found = self._by_pid.get(identity.pid)
        return found is not None and found.id == identity

    def labelled(self, cluster: str | None = None, node: str | None = None) -> list[Process]:
        """Return the processes of this installation, of one cluster or one node of it."""
        return [
            process
            for process in self
            if process.label is not None
            and cluster in {None, process.label.cluster}
            and node in {None, process.label.node}
        ]

    def family(self, seeds: Iterable[Process], known: Iterable[ProcessId] = ()) -> dict[ProcessId, Process]:
        """Return these processes with all that share their sessions (not ours) or descend from them.

        That finds what dropped the labels (``env -i``) or the session (``setsid``), as long as it did not do both
        and lose its parent as well; `known` are processes that were seen in the family earlier. A process with the
        label of another node is in nobody else's family.
        """
        found = {process.id: process for process in seeds}
        seen = frozenset(known)
        found.update({process.id: process for process in self if process.id in seen})
        labels = {process.label for process in found.values() if process.label}
        while True:
            sessions = {process.session for process in found.values()} - {os.getsid(0)}
            pids = {identity.pid for identity in found}
            more = {
                process.id: process
                for process in self
                if process.id not in found
                and (process.session in sessions or process.parent in pids)
                and (process.label is None or process.label in labels)
            }
            if not more:
                return found
            found.update(more)


@cache
def boot_id() -> str:
    """Return what identifies this boot of the machine."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return subprocess.run(
        ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def scan(installation: str) -> Processes:
    """Return all other living processes of this user, with the labels of this installation. Blocks for milliseconds.

    The process that asks is left out: a server that was started from inside a node carries its labels.
    """
    everything = _read_proc(installation) if sys.platform == "linux" else read_psutil(installation)
    return Processes(process for process in everything if process.id.pid != os.getpid())


def identify(pid: int) -> ProcessId | None:
    """Return the full identity of the process that has this PID now; None when it is gone or a zombie."""
    if sys.platform == "linux":
        stat = _stat(pid)
        return ProcessId(pid, stat.ticks, boot_id()) if stat else None
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else _psutil_id(process)
    except psutil.Error:
        return None


def identify_child(pid: int) -> ProcessId:
    """Return the identity of a child that was not waited for yet, whether it lives or not."""
    if sys.platform == "linux":
        stat = _stat(pid, ended=True)
        return ProcessId(pid, stat.ticks if stat else 0, boot_id())
    import psutil

    return _psutil_id(psutil.Process(pid))


def describe(pid: int) -> str:
    """Return `pid 812 (name)`."""
    import psutil

    try:
        return f"pid {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return f"pid {pid}"


def send(identity: ProcessId, number: signal.Signals) -> bool:
    """Send a signal to this very process; return False when it is gone, or not ours any more."""
    with _pidfd(identity) as descriptor, contextlib.suppress(ProcessLookupError, PermissionError):
        if descriptor is not None:
            signal.pidfd_send_signal(descriptor, number)
            return True
        if identify(identity.pid) == identity:  # a kernel without such descriptors: as near as it can be
            os.kill(identity.pid, number)
            return True
    return False


async def wait_gone(identities: Iterable[ProcessId], seconds: float) -> frozenset[ProcessId]:
    """Wait until these processes ended, at most `seconds`; return those that did not."""
    waiting = frozenset(identities)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for identity in waiting:
                async with _ended(identity) as ended:
                    await ended
    return frozenset(identity for identity in waiting if identify(identity.pid) == identity)


@contextlib.asynccontextmanager
async def _ended(identity: ProcessId) -> AsyncIterator[asyncio.Future[None]]:
    """Give a future that is done when the process ended."""
    loop = asyncio.get_running_loop()
    with _pidfd(identity) as descriptor:
        if descriptor is not None:
            ended: asyncio.Future[None] = loop.create_future()
            loop.add_reader(descriptor, _settle, ended)
            try:
                yield ended
            finally:
                loop.remove_reader(descriptor)
        else:
            poll = loop.create_task(_poll(identity), name=f"wait for pid {identity.pid}")
            try:
                yield poll
            finally:
                poll.cancel()


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


async def _poll(identity: ProcessId) -> None:
    while identify(identity.pid) == identity:  # noqa: ASYNC110 - this kernel has nothing to wait for
        await asyncio.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _pidfd(identity: ProcessId) -> Iterator[int | None]:
    descriptor = open_pidfd(identity)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def open_pidfd(identity: ProcessId) -> int | None:
    """Return a descriptor that becomes readable when this process ends; None when it is gone, or without Linux 5.3."""
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        return None
    # The descriptor is bound to one process now; only if that is the right one may it be used.
    if identify(identity.pid) == identity:
        return descriptor
    os.close(descriptor)
    return None


# ------------------------------------------------------------------------------------------------ linux


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    session: int
    ticks: int


def _stat(pid: int, *, ended: bool = False) -> _Stat | None:
    """Read /proc/PID/stat; None for what is gone and, unless `ended`, for zombies."""
    try:
        text = _read(pid, "stat")
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses itself: count from its end.
    fields = text[text.rindex(b")") + 2 :].split()
    if fields[0] in {b"Z", b"X", b"x"} and not ended:
        return None
    return _Stat(int(fields[1]), int(fields[3]), int(fields[19]))


def _read_proc(installation: str) -> Iterator[Process]:
    own, boot = os.getuid(), boot_id()
    marker = f"{INSTALLATION}={installation}".encode()
    with os.scandir(_PROC) as entries:
        pids = [entry for entry in entries if entry.name.isdigit()]
    for entry in pids:
        try:
            if entry.stat().st_uid != own:
                continue
            variables = _read(entry.name, "environ")
        except OSError:
            continue  # it ended meanwhile, or hides from its own user, which no process of ours does
        stat = _stat(int(entry.name))
        if stat is None:
            continue
        label = _label_of(variables, marker) if marker in variables else None
        yield Process(
            ProcessId(int(entry.name), stat.ticks, boot),
            stat.parent,
            stat.session,
            label,
            label is not None and _is_executor(int(entry.name)),
        )


def _read(pid: int | str, name: str) -> bytes:
    """Read a file of a process. An idle server does little else, so without the comfort of paths and streams."""
    descriptor = os.open(f"{_PROC}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, _MUCH):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _label_of(variables: bytes, marker: bytes) -> Label | None:
    entries = variables.split(b"\0")
    if marker not in entries:
        return None
    pairs = (entry.decode("utf-8", "replace").partition("=") for entry in entries)
    return _label({name: value for name, _, value in pairs if name in LABELS})


def _is_executor(pid: int) -> bool:
    try:
        return _EXECUTOR in _read(pid, "cmdline").split(b"\0")
    except OSError:
        return False


def _label(variables: Mapping[str, str]) -> Label | None:
    if not all(variables.get(name) for name in LABELS):
        return None
    if not all(_NAME.fullmatch(variables[name]) for name in (CLUSTER, NODE)):
        return None  # not written by us
    return Label(variables[CLUSTER], variables[NODE], variables[INCARNATION])


# -------------------------------------------------------------------------------------------- elsewhere


def read_psutil(installation: str) -> Iterator[Process]:
    """Read what `scan` returns through psutil, for systems without ``/proc``."""
    import psutil

    own = os.getuid()
    for process in psutil.process_iter():
        try:
            if process.uids().real != own or process.status() == psutil.STATUS_ZOMBIE:
                continue
            variables = process.environ()
            label = _label(variables) if variables.get(INSTALLATION) == installation else None
            executor = label is not None and _EXECUTOR.decode() in process.cmdline()
            yield Process(_psutil_id(process), process.ppid(), os.getsid(process.pid), label, executor)
        except (psutil.Error, OSError):
            continue


def _psutil_id(process: object) -> ProcessId:
    import psutil

    if not isinstance(process, psutil.Process):
        raise TypeError(process)
    return ProcessId(process.pid, int(process.create_time() * 1000), boot_id())
