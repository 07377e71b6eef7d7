"""What would fail, and why, before anything is made."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from fireside.backends.local import files, machine
from fireside.backends.local.runtime import Runtime
from fireside.errors import Refused
from fireside.model import sizing
from fireside.model.findings import Finding, Severity
from fireside.model.plan import Plan

_MIB = 1024 * 1024
_LEAST_ROOM = 256  # MiB: logs, a metastore and Spark's own temporary files
_LITTLE_ROOM = 2048
_COORDINATE = re.compile(r"[\w.\-]+:[\w.\-]+:[\w.\-]+")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def findings(home: Path, plan: Plan, runtime: Runtime) -> list[Finding]:
    """Return what would fail or may surprise. Blocks for milliseconds; leaves nothing behind but the home itself."""
    return [
        *_home(home),
        *_workspace(plan.workspace),
        *_jars(plan.jars),
        *_packages(plan.packages),
        *_requirements(plan.requirements, runtime),
        *_memory(plan),
    ]


def _home(home: Path) -> Iterator[Finding]:
    try:
        files.make_directory(home)
        probe = home / f".writable-{os.getpid()}"
        files.write(probe, "")
        files.remove_tree(probe)
    except Refused as error:
        yield _error(error.message, None, found=str(home), hint=error.hint)
        return
    room = shutil.disk_usage(home).free // _MIB
    if room < _LEAST_ROOM:
        yield _error(
            f"the disk of {home} has {room} MiB left; a cluster needs {_LEAST_ROOM} MiB at least",
            None,
            found=f"{room} MiB",
            allowed=f"{_LEAST_ROOM} MiB or more",
            hint="make room on that disk, or point FIRESIDE_HOME at another",
        )
    elif room < _LITTLE_ROOM:
        yield Finding(
            Severity.WARNING,
            f"the disk of {home} has only {room} MiB left for shuffle files, logs and tables",
            found=f"{room} MiB",
            hint="make room on that disk, or point FIRESIDE_HOME at another",
        )


def _workspace(workspace: str | None) -> Iterator[Finding]:
    if workspace is None:
        return
    path = Path(workspace)
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not nearest.is_dir():
        yield _error(
            f"the workspace {path} cannot be a directory: {nearest} is a file",
            "workspace",
            found=workspace,
            hint="name a directory",
        )
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield _error(
            f"the workspace {path} cannot be written: {nearest}: {os.strerror(errno.EACCES)}",
            "workspace",
            found=workspace,
            hint="name a directory that you can write",
        )


def _jars(jars: Sequence[str]) -> Iterator[Finding]:
    for jar in jars:
        path = Path(jar.removeprefix("file://").removeprefix("file:"))
        if _REMOTE.match(str(path)) or path.is_file():
            continue  # Spark fetches remote ones when the driver starts
        yield _error(f"the jar {path} does not exist", "spark.jars", found=jar, hint="name a file of this machine")


def _packages(packages: Sequence[str]) -> Iterator[Finding]:
    for package in packages:
        if _COORDINATE.fullmatch(package) is None:
            yield _error(
                f"{package!r} is no Maven coordinate",
                "spark.packages",
                found=package,
                allowed="group:artifact:version",
                hint="write it like io.delta:delta-spark_2.13:4.0.0",
            )


def _requirements(requirements: Sequence[str], runtime: Runtime) -> Iterator[Finding]:
    for requirement in requirements:
        if not requirement.strip() or requirement.lstrip().startswith("-") or "\n" in requirement:
            yield _error(
                f"{requirement!r} is no requirement of one package",
                "spark.requirements",
                found=requirement,
                hint="write it like polars==1.12.0",
            )
    if requirements and not runtime.venv:
        yield _error(
            f"{runtime.interpreter} cannot make virtual environments, which spark.requirements needs",
            "spark.requirements",
            hint="install its venv module (on Debian and Ubuntu: the package python3-venv)",
        )


def _memory(plan: Plan) -> Iterator[Finding]:
    asked = sizing.total(plan)
    free = machine.measure().available
    if asked > free:
        yield Finding(
            Severity.WARNING,
            f"the nodes may take {asked} MiB in all, and {free} MiB are free now",
            field="workers.memory",
            found=f"{asked} MiB",
            allowed=f"{free} MiB",
            hint="end other programs, or ask for less memory or fewer workers",
        )


def _error(
    message: str,
    field: str | None,
    *,
    found: str | None = None,
    allowed: str | None = None,
    hint: str | None = None,
) -> Finding:
    return Finding(Severity.ERROR, message, field, found, allowed, hint)
