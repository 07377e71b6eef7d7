"""The marker: a file beside the database that notices when the database was lost, restored, swapped or copied.

An engine that sweeps what is in no record would, with an older or empty database, end clusters that people use. So
the marker holds the installation's id, how many changes (creates, changes, deletes) its records had seen, and the
directory it was made in. :func:`judge` compares them when a store is opened:

=====================================  =================================================================
database, marker                       what it means
=====================================  =================================================================
neither                                a new installation; nothing carries its id yet, sweeping is harmless
no database, a marker                  lost: same id, sweep held (not if no change was ever counted)
a database, no marker                  it came alone, perhaps as a copy: sweep held
the database counted fewer changes     restored from a backup: sweep held
another id                             two installations were mixed: refused, naming both
made in another directory              moved: fine; while the other still has its marker: a copy, refused
=====================================  =================================================================

A database that counted more than its marker is usual: a crash came between the two.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from fireside.errors import Refused

NAME = "installation.json"
_LOST = "the store is new but the installation is not: what it ran before is in no record"
_ALONE = f"the store came without its {NAME}: it may be a copy or a restored one"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the marker says."""

    installation: str
    changes: int
    directory: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the store is opened as: its id, its count of changes, and why sweeping is held from now on."""

    installation: str | None
    """None: a new one has to be made."""
    changes: int
    held: str | None


def judge(found: tuple[str, int] | None, mark: Mark | None, *, copied_from: str | None = None) -> Verdict:
    """Return what a database (`found`: its id and count, or None when it is new) and a mark mean together.

    `copied_from` is the directory that is still there with the same mark. Raises Refused for a mix or a copy.
    """
    if copied_from is not None:
        raise Refused(
            f"This store is a copy of the one in {copied_from}: both would take the other's clusters for their own.",
            found=copied_from,
            hint=f"Use that one; or remove the database and {NAME} here to begin a new installation.",
        )
    if found is None:
        if mark is None:
            return Verdict(None, 0, None)
        return Verdict(mark.installation, mark.changes, _LOST if mark.changes else None)
    known, counted = found
    if mark is None:
        return Verdict(known, counted, _ALONE)
    if mark.installation != known:
        other = mark.installation
        raise Refused(
            f"The database belongs to installation {known}, but {NAME} beside it says {other}.",
            found=other,
            allowed=known,
            hint=f"Put the right database back; or remove {NAME} to go on as {known} and forget what {other} runs.",
        )
    if mark.changes > counted:
        return Verdict(known, mark.changes, f"the store was restored: changes missing: {mark.changes - counted}")
    return Verdict(known, counted, None)


def read(directory: Path) -> Mark | None:
    """Return the mark in `directory`, or None when there is none. Raises Refused for one that cannot be read."""
    path = directory / NAME
    try:
        return Mark(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise Refused(
            f"{path} cannot be read: {error}.",
            found=str(path),
            hint="Make it readable to you; if its content is damaged, remove it: sweeping is held then.",
        ) from error


def origin(mark: Mark | None, directory: Path) -> str | None:
    """Return the directory of which `directory` is a copy, or None."""
    if mark is None or mark.directory == str(directory):
        return None
    try:
        other = read(Path(mark.directory))
    except Refused:
        return None  # not ours to read, so no second installation of this user
    return mark.directory if other is not None and other.installation == mark.installation else None


def write(directory: Path, mark: Mark) -> None:
    """Replace the mark at once and durably; only its owner can read it. Raises OSError."""
    fresh = directory / f".{NAME}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(mark)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / NAME)
