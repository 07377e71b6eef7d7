"""Amounts of memory and time, as people write them.

Memory is whole MiB everywhere inside. The suffixes mean what they mean to Spark (``JavaUtils.byteStringAs``): `1g`,
`1G`, `1GB`, `1GiB` and `1Gi` are all 1024 MiB. A number without a unit is refused, because Spark, Docker and
Kubernetes each read it differently.
"""

from __future__ import annotations

import re
from fractions import Fraction

_MEMORY = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgtp]?)(?:i?b?)", re.IGNORECASE)
_MIB_OF = {
    "k": Fraction(1, 1024),
    "m": Fraction(1),
    "g": Fraction(1024),
    "t": Fraction(1024**2),
    "p": Fraction(1024**3),
}
_MAX_MIB = 64 * 1024**2  # 64 TiB: more than any one node has

_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|sec|m|min|h|d)", re.IGNORECASE)
_SECONDS_OF = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def memory(text: object) -> int:
    """Return whole MiB for `text` (`1g`, `1.5g`, `1536m`), rounded down.

    Raises ValueError, saying what was found and what would do, for anything else.
    """
    if isinstance(text, (bool, int, float)):
        raise ValueError(f"{text} has no unit: write {text}m for MiB or {text}g for GiB")
    match = _MEMORY.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount of memory: write it like 512m, 1.5g or 4GiB")
    unit = match["unit"].lower()
    if not unit:
        raise ValueError(f"{text!r} has no unit: write {match['number']}m for MiB or {match['number']}g for GiB")
    mib = int(Fraction(match["number"]) * _MIB_OF[unit])
    if mib < 1:
        raise ValueError(f"{text!r} is less than 1 MiB: write it like 512m, 1.5g or 4GiB")
    if mib > _MAX_MIB:
        raise ValueError(f"{text!r} is more than 64 TiB, which no node has")
    return mib


def show_memory(mib: int) -> str:
    """Return MiB in the shortest form that `memory` reads back to the same number: `2g`, `1536m`."""
    return f"{mib // 1024}g" if mib and mib % 1024 == 0 else f"{mib}m"


def seconds(text: object) -> float:
    """Return seconds for `text` (`500ms`, `90s`, `2m`, `1h`). Raises ValueError for anything else."""
    if isinstance(text, (bool, int, float)):
        raise ValueError(f"{text} has no unit: write {text}s for seconds or {text}ms for milliseconds")
    match = _TIME.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a length of time: write it like 500ms, 90s, 15m or 2h")
    return float(match["number"]) * _SECONDS_OF[match["unit"].lower()]


def show_seconds(value: float) -> str:
    """Return seconds in a form that `seconds` reads back: `2m`, `90s`, `500ms`."""
    if value and value % 3600 == 0:
        return f"{value / 3600:g}h"
    if value and value % 60 == 0:
        return f"{value / 60:g}m"
    return f"{value:g}s" if value >= 1 or value == 0 else f"{value * 1000:g}ms"
