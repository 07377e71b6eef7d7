"""A Spark configuration directory: the properties, and how to log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fireside.render.properties import LOG4J2, properties


@dataclass(frozen=True, slots=True)
class File:
    """A file that has to stand there before the process starts. It may hold secrets, so its text is not shown."""

    path: str
    text: str = field(repr=False)
    mode: int = 0o600


def conf_files(directory: str, conf: Mapping[str, str]) -> tuple[File, ...]:
    """Return a configuration directory's files: Spark's properties, which may hold secrets, and the logging."""
    return (
        File(f"{directory}/spark-defaults.conf", properties(conf)),
        File(f"{directory}/log4j2.properties", LOG4J2),
    )
