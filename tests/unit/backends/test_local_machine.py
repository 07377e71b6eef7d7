"""How large the machine is, as control groups limit it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fireside.backends.local import machine
from fireside.backends.local.machine import Limits, Machine

GIB = 1024**3


def tree(root: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def own(root: Path, text: str) -> Path:
    path = root / "own"
    path.write_text(text)
    return path


def test_version_2_limits_of_the_group_and_of_those_above_count(tmp_path: Path) -> None:
    mount = tree(
        tmp_path / "cgroup",
        {
            "user.slice/app/memory.max": f"{4 * GIB}\n",
            "user.slice/memory.max": f"{2 * GIB}\n",
            "memory.max": "max\n",
            "user.slice/app/cpu.max": "max 100000\n",
            "user.slice/cpu.max": "150000 100000\n",
        },
    )
    limits = Limits.read(own(tmp_path, "0::/user.slice/app\n"), mount)
    assert limits == Limits((4 * GIB, 2 * GIB), (1.5,))


def test_version_1_limits_count(tmp_path: Path) -> None:
    mount = tree(
        tmp_path / "cgroup",
        {
            "memory/docker/abc/memory.limit_in_bytes": f"{GIB}\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "cpu/docker/abc/cpu.cfs_quota_us": "200000\n",
            "cpu/docker/abc/cpu.cfs_period_us": "100000\n",
            "cpu/cpu.cfs_quota_us": "-1\n",
            "cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    limits = Limits.read(own(tmp_path, "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n"), mount)
    assert limits == Limits((GIB, 9223372036854771712), (2.0,))


def test_inside_a_container_the_mount_itself_is_the_group(tmp_path: Path) -> None:
    mount = tree(tmp_path / "cgroup", {"memory.max": f"{GIB}\n", "cpu.max": "50000 100000\n"})
    assert Limits.read(own(tmp_path, "0::/../../outside\n"), mount) == Limits((GIB,), (0.5,))
    assert Limits.read(own(tmp_path, "0::/not/mounted/here\n"), mount) == Limits((GIB,), (0.5,))


def test_without_control_groups_there_are_no_limits(tmp_path: Path) -> None:
    assert Limits.read(tmp_path / "none", tmp_path) == Limits((), ())


def test_this_machine_is_measured_and_a_limit_shrinks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = machine.measure()
    assert whole.cores >= 1
    assert 0 < whole.available <= whole.memory
    mount = tree(tmp_path / "cgroup", {"memory.max": str(64 * 1024**2), "cpu.max": "50000 100000"})
    monkeypatch.setattr(machine, "_CGROUPS", mount)
    monkeypatch.setattr(machine, "_OWN_CGROUPS", own(tmp_path, "0::/\n"))
    assert machine.measure() == Machine(1, 64, 64)


def test_little_free_memory_is_noted_with_the_numbers() -> None:
    assert Machine(4, 1000, 900).notes() == ()
    assert "of 1000 MiB of memory only 300 MiB are free" in Machine(4, 1000, 300).notes()[0]
