"""The Python packages that a spec asks for, in an environment of their own.

Installing into the caller's environment would change it under their feet. A virtual environment for each set of
requirements sees everything of the interpreter that it was made from, pyspark included, and adds what was asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from fireside.backends.local import files
from fireside.backends.local.runtime import Runtime
from fireside.errors import MissingPart, Refused

_SECONDS = 1800.0
_LAST_LINES = 5


class Environments:
    """The virtual environments of an installation, each made once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    async def python_for(self, runtime: Runtime, requirements: Sequence[str]) -> Path:
        """Return the interpreter that has `requirements`; the runtime's own when there are none.

        The first time this downloads and installs. Raises MissingPart with pip's last lines when that fails.
        """
        if not requirements:
            return runtime.interpreter
        home = self._root / _name(runtime, requirements)
        await asyncio.to_thread(self._ensure, home, runtime, requirements)
        return home / "bin" / "python"

    def _ensure(self, home: Path, runtime: Runtime, requirements: Sequence[str]) -> None:
        # A lock of threads: pip goes on in its thread when the caller who waits for it is cancelled.
        with self._lock:
            _ensure(home, runtime, requirements)


def _name(runtime: Runtime, requirements: Sequence[str]) -> str:
    text = "\n".join([str(runtime.interpreter), str(runtime.packages), runtime.python, *sorted(requirements)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ensure(home: Path, runtime: Runtime, requirements: Sequence[str]) -> None:
    # A marker, and not a rename at the end: an environment holds its own path and cannot be moved.
    marker = home / "complete"
    if marker.exists():
        return
    files.remove_tree(home)
    files.make_directory(home)
    try:
        _run([runtime.interpreter, "-m", "venv", home], "make a Python environment", requirements)
        _see_parent(home, runtime)
        listed = home / "requirements.txt"
        files.write(listed, "".join(f"{requirement}\n" for requirement in requirements))
        pip: list[str | Path] = [home / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        _run([*pip, "install", "-r", listed], "install the packages that spark.requirements names", requirements)
    except BaseException:
        files.remove_tree(home)
        raise
    files.write(marker, "")


def _see_parent(home: Path, runtime: Runtime) -> None:
    for packages in (home / "lib").glob("python*/site-packages"):
        files.write(packages / "parent.pth", f"import site; site.addsitedir({str(runtime.packages)!r})\n")


def _run(command: Sequence[str | Path], what: str, requirements: Sequence[str]) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.CalledProcessError as error:
        last = " / ".join(line for line in error.stdout.strip().splitlines()[-_LAST_LINES:])
        raise MissingPart(
            f"cannot {what}: {last}",
            field="spark.requirements",
            found=", ".join(requirements),
            hint="check the names and versions, and that the package index can be reached",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"cannot {what}: {error}", field="spark.requirements") from error
