"""Findings: what would fail or may surprise, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a finding stops a plan."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that would fail, or may surprise, found before anything is made."""

    severity: Severity
    message: str
    field: str | None = None
    found: str | None = None
    allowed: str | None = None
    hint: str | None = None
