"""Amounts of memory and time, as people write them.

Memory is whole MiB everywhere inside. The suffixes mean what they mean to Spark (``JavaUtils.byteStringAs``): `1g`,
`1G`, `1GB`, `1GiB` and `1Gi` are all 1024 MiB. A number without a unit is refused, because Spark, Docker and
Kubernetes each read it differently.
"""

from __future__ import annotations

import re
from fractions import Fraction

_MEMORY = re.compile(r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(?P<unit>[kmgtp]?)(?:i?b?)", re.IGNORECASE)
_MIB_OF = {
    "k": Fraction(1, 1024),
    "m": Fraction(1),
    "g": Fraction(1024),
    "t": Fraction(1024**2),
    "p": Fraction(1024**3),
}
_MAX_MIB = 64 * 1024**2  # 64 TiB: more than any one node has

_TIME = re.compile(r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(?P<unit>ms|s|sec|m|min|h|d)", re.IGNORECASE)
_MS_OF = {"ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def memory(text: object) -> int:
    """Return whole MiB for `text` (`1g`, `1.5g`, `1536m`), rounded down.

    Raises ValueError, saying what was found and what would do, for anything else.
    """
    if _is_positive(text):
        raise ValueError(f"{text} has no unit: write {text}m for MiB or {text}g for GiB")
    match = _MEMORY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{_shown(text)} is not an amount of memory: write it like 512m, 1.5g or 4GiB")
    number, unit = match["number"], match["unit"].lower()
    if not unit and Fraction(number):
        raise ValueError(f"{_shown(text)} has no unit: write {number}m for MiB or {number}g for GiB")
    mib = int(Fraction(number) * _MIB_OF[unit or "m"])
    if mib < 1:
        raise ValueError(f"{_shown(text)} is less than 1 MiB: write it like 512m, 1.5g or 4GiB")
    if mib > _MAX_MIB:
        raise ValueError(f"{_shown(text)} is more than 64 TiB, which no node has")
    return mib


def show_memory(mib: int) -> str:
    """Return MiB in the shortest form that `memory` reads back to the same number: `2g`, `1536m`."""
    return f"{mib // 1024}g" if mib and mib % 1024 == 0 else f"{mib}m"


def seconds(text: object) -> float:
    """Return seconds, to the millisecond, for `text` (`500ms`, `90s`, `2m`, `1h`).

    Raises ValueError for anything else.
    """
    if _is_positive(text):
        raise ValueError(f"{text} has no unit: write {text}s for seconds or {text}ms for milliseconds")
    match = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{_shown(text)} is not a length of time: write it like 500ms, 90s, 15m or 2h")
    return int(Fraction(match["number"]) * _MS_OF[match["unit"].lower()]) / 1000


def show_seconds(value: float) -> str:
    """Return seconds in a form that `seconds` reads back to the same number: `2m`, `90s`, `500ms`."""
    ms = round(value * 1000)
    for unit in ("h", "m", "s"):
        if ms % _MS_OF[unit] == 0 and (ms or unit == "s"):
            return f"{ms // _MS_OF[unit]}{unit}"
    return f"{ms}ms"


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(value[:60])
    return str(value).lower() if isinstance(value, bool) else str(value)[:60]
