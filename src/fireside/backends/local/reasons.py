"""Why a node died, in one sentence: from how it ended and from the last lines that it wrote.

What is recognised here was seen: the lines are those that Spark 4.3 and its JVMs write.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

_PORT = re.compile(r"BindException: .*[Ss]ervice '([^']+)'.* \(starting from (\d+)\)")
_LOUD = re.compile(r"\b(?:[A-Z]\w*(?:Exception|Error)\b|ERROR\b|FATAL\b|Error:)")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ ")
_OPTIONS = re.compile(
    r"^((?:Unrecognized|Invalid|Improperly specified|Conflicting) .+)\n(?:.*\n)*?Error: Could not create", re.M
)
_LONGEST = 240

NOT_SEEN = "nobody saw how (see the log)"
"""Of a node that an earlier server started, the system tells this one no exit code."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a node ended."""

    sentence: str
    permanent: bool = False
    """Starting it again the same way cannot help."""


@dataclass(frozen=True, slots=True)
class _Sign:
    pattern: re.Pattern[str]
    sentence: str
    permanent: bool = False


# The first that matches speaks, so causes stand before their consequences.
_SIGNS = (
    _Sign(re.compile(r"No space left on device"), "the disk is full: No space left on device"),
    _Sign(re.compile(r"UnsupportedClassVersionError"), "this Java is too old for this Spark", permanent=True),
    _Sign(re.compile(r"getSubject is not supported"), "this Java is too new for this Spark", permanent=True),
    _Sign(re.compile(r"Module jdk\.incubator\.vector not found"), "this Java lacks a module of Spark", permanent=True),
    _Sign(re.compile(r"OutOfMemoryError"), "its heap was too small: OutOfMemoryError"),
    _Sign(re.compile(r"Could not reserve enough space|insufficient memory for the Java Runtime"),
          "the machine had too little memory left for it"),
    _Sign(re.compile(r"unresolved dependency|UNRESOLVED DEPENDENCIES"),
          "a package of spark.packages was not found", permanent=True),
    _Sign(re.compile(r"All masters are unresponsive"), "no master answered it"),
)  # fmt: skip


def explain(exit_code: int | None, text: str, holder: Callable[[int], str]) -> Reason:
    """Return why a node ended with `exit_code` (None: not seen; -9: by signal 9) after writing `text` last.

    `holder` says who listens on a port.
    """
    if match := _PORT.search(text):
        return Reason(f"port {match[2]} taken by {holder(int(match[2]))}")
    if exit_code == -signal.SIGKILL:
        return Reason("killed by signal 9")
    if exit_code in {128 + signal.SIGTERM, 128 + signal.SIGINT}:  # a JVM ends in good order and says so
        return Reason(f"ended by signal {exit_code - 128}")
    for sign in _SIGNS:
        if sign.pattern.search(text):
            return Reason(sign.sentence, sign.permanent)
    if match := _OPTIONS.search(text):
        return Reason(f"Java refuses its options: {match[1][:_LONGEST]}", permanent=True)
    return _by_code(exit_code, text)


def _by_code(exit_code: int | None, text: str) -> Reason:
    if exit_code is None:
        return Reason(NOT_SEEN)
    if exit_code < 0:
        return Reason(f"killed by signal {-exit_code}")
    said = _last_complaint(text)
    return Reason(f"ended with exit code {exit_code}{': ' + said if said else ''}")


def _last_complaint(text: str) -> str:
    lines = [_STAMP.sub("", line).strip() for line in text.splitlines()]
    loud = [line for line in lines if _LOUD.search(line) and not line.startswith("at ")]
    spoken = [line for line in lines if line and not line.startswith(("at ", "..."))]
    return (loud or spoken or [""])[-1][:_LONGEST]
