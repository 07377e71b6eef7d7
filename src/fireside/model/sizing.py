"""Sizes: how a node's memory adds up, and what fits where. All memory is MiB, from the limit downwards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """Where nodes would run: what defaults are fitted to. Memory in MiB."""

    cores: int
    memory: int
    """All of it; sizes are refused above this."""
    spark: str | None = None
    """Version of Spark found there; None: any version can be had."""
    python: str | None = None
    """`major.minor` of the Python that runs Python workers there."""
    javas: tuple[str, ...] = ()
    """Versions of the Java runtimes found there."""
    notes: tuple[str, ...] = ()
    """What the owner should know of it, in sentences."""
