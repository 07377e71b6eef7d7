"""What every benchmark ends with: one JSON object with a ratio of two things measured in the same run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any


def in_turn(rounds: int, ours: Callable[[], float], other: Callable[[], float]) -> list[tuple[float, float]]:
    """Measure both once a round, the first one changing from round to round so that neither is favoured."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            theirs = other()
            pairs.append((ours(), theirs))
        else:
            pairs.append((ours(), other()))
        print(f"  round {number + 1}: {pairs[-1][0]:.3f} against {pairs[-1][1]:.3f}", flush=True)
    return pairs


def report(name: str, pairs: Sequence[tuple[float, float]], *, unit: str, goal: float, details: dict[str, Any]) -> None:
    """Print the ratio pair by pair (ours over the other's): median, lowest, highest, as the last line."""
    ratios = [ours / other for ours, other in pairs]
    print(
        json.dumps(
            {
                "name": name,
                "ratio": round(statistics.median(ratios), 3),
                "low": round(min(ratios), 3),
                "high": round(max(ratios), 3),
                "unit": unit,
                "goal": goal,
                "details": details,
            }
        )
    )
