"""How large the machine is for us: cores and memory, as control groups limit them.

A container or a systemd slice with 2 GiB on a machine of 64 GiB is a machine of 2 GiB: what exceeds the limit is
killed, whatever the machine has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MIB = 1024 * 1024
_LOW = 0.5
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores, and MiB of memory in all and free at this moment."""

    cores: int
    memory: int
    available: int

    def notes(self) -> tuple[str, ...]:
        """Return what the owner should know."""
        if self.available >= self.memory * _LOW:
            return ()
        return (f"of {self.memory} MiB of memory only {self.available} MiB are free now: other programs use the rest",)


def measure() -> Machine:
    """Return the size of this machine, as far as this process may use it."""
    import psutil

    memory = psutil.virtual_memory()
    total, available, cores = memory.total, memory.available, float(_usable_cores())
    if sys.platform == "linux":
        limits = Limits.read(_OWN_CGROUPS, _CGROUPS)
        total = min([total, *limits.memory])
        cores = min([cores, *limits.cores])
    return Machine(max(1, int(cores)), total // _MIB, min(available, total) // _MIB)


def _usable_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a process's control groups, its own and those above: bytes and cores. Empty: none."""

    memory: tuple[int, ...]
    cores: tuple[float, ...]

    @staticmethod
    def read(own: Path, mount: Path) -> Limits:
        """Read them; `own` is like /proc/self/cgroup, `mount` like /sys/fs/cgroup. Unreadable ones are no limits."""
        memory: list[int] = []
        cores: list[float] = []
        for controllers, path in _memberships(own):
            if not controllers:
                for group in _upwards(mount, path):
                    memory += _numbers(group / "memory.max")[:1]
                    cores += _share(_numbers(group / "cpu.max"))
            if "memory" in controllers:
                for group in _upwards(mount / "memory", path):
                    memory += _numbers(group / "memory.limit_in_bytes")
            if "cpu" in controllers:
                for group in _upwards(mount / "cpu", path):
                    cores += _share(
                        _numbers(group / "cpu.cfs_quota_us")[:1] + _numbers(group / "cpu.cfs_period_us")[:1]
                    )
        return Limits(tuple(memory), tuple(cores))


def _memberships(own: Path) -> Iterator[tuple[list[str], str]]:
    try:
        lines = own.read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        yield [name for name in controllers.split(",") if name], path


def _upwards(mount: Path, path: str) -> Iterable[Path]:
    """Return the group and those above it, up to the mount. Inside a container the path may lie outside the mount."""
    group = mount / path.lstrip("/")
    if ".." in Path(path).parts or not group.is_dir():
        return (mount,)
    return [group, *(parent for parent in group.parents if parent == mount or mount in parent.parents)]


def _numbers(file: Path) -> list[int]:
    """Return the numbers at the beginning of a file; none for `max`, -1 or an unreadable file."""
    try:
        words = file.read_text(encoding="ascii").split()
    except OSError:
        return []
    return [int(word) for word in words] if words and all(word.isdigit() for word in words) else []


def _share(quota_and_period: list[int]) -> list[float]:
    if len(quota_and_period) != 2 or not quota_and_period[1]:
        return []
    return [quota_and_period[0] / quota_and_period[1]]
