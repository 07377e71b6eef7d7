"""The composition root hands on what the settings say, and every setting has somebody who reads it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import fireside
from fireside import assembly
from fireside.backends.local import processes
from fireside.client import launch
from fireside.engine.service import Engine
from fireside.settings import Settings

SOURCE = Path(fireside.__file__).parent


async def test_the_engine_looks_as_often_as_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def recorded(**parts: Any) -> Engine:
        given.update(parts)
        return Engine(**parts)

    monkeypatch.setattr(assembly, "Engine", recorded)
    async with assembly.open_engine(Settings(home=tmp_path, poll=0.25)):
        pass
    assert given["poll"] == 0.25


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_is_read_by_somebody(name: str) -> None:
    # W-13: what can be set has an effect.
    others = (path for path in SOURCE.rglob("*.py") if path.name != "settings.py")
    assert any(f"settings.{name}" in path.read_text() for path in others)


def test_the_client_knows_the_labels_that_the_backend_writes() -> None:
    # Written down twice, because neither side may import the other.
    assert frozenset(processes.LABELS) == launch.NODE_LABELS
