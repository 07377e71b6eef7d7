"""Settings of an installation: environment and defaults, read once into frozen values.

Each field says its purpose, unit, default and the variable that sets it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fireside.errors import InvalidSpec
from fireside.model import quantity


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation is told from outside."""

    home: Path
    """Where records, logs and data live, 0700. `FIRESIDE_HOME`; default `$XDG_DATA_HOME/fireside`."""
    idle_exit: float = 600.0
    """Seconds without a running cluster and without a request after which the server ends by itself.
    `FIRESIDE_IDLE_EXIT` (`10m`); `0s` means never."""
    poll: float = 2.0
    """Seconds between two looks at what runs, when no hint comes first. `FIRESIDE_POLL`."""
    log_bytes: int = 10 * 1024 * 1024
    """Size at which a log file is rotated. `FIRESIDE_LOG_SIZE` (`10m`)."""
    log_files: int = 5
    """Rotated files that are kept beside the current one."""
    grace: float = 10.0
    """Seconds between SIGTERM and SIGKILL. `FIRESIDE_GRACE`."""

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.home / "fireside.db"

    @property
    def run(self) -> Path:
        """Lock and log of the server."""
        return self.home / "run"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises InvalidSpec naming the variable and its value."""
    env = os.environ if environment is None else environment
    return Settings(
        home=_home(env),
        idle_exit=_seconds(env, "FIRESIDE_IDLE_EXIT", 600.0),
        poll=_seconds(env, "FIRESIDE_POLL", 2.0),
        log_bytes=_bytes(env, "FIRESIDE_LOG_SIZE", 10 * 1024 * 1024),
        grace=_seconds(env, "FIRESIDE_GRACE", 10.0),
    )


def _home(env: Mapping[str, str]) -> Path:
    if chosen := env.get("FIRESIDE_HOME"):
        return Path(chosen).expanduser().absolute()
    base = env.get("XDG_DATA_HOME")
    return (Path(base) if base else Path(env.get("HOME", "~")).expanduser() / ".local" / "share") / "fireside"


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    if name not in env:
        return default
    try:
        return quantity.seconds(env[name])
    except ValueError as error:
        raise InvalidSpec(f"{name}: {error}", field=name, found=env[name]) from error


def _bytes(env: Mapping[str, str], name: str, default: int) -> int:
    if name not in env:
        return default
    try:
        return quantity.memory(env[name]) * 1024 * 1024
    except ValueError as error:
        raise InvalidSpec(f"{name}: {error}", field=name, found=env[name]) from error
