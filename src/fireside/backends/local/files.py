"""Files and directories that only their owner can read, and what the machine's refusals are called.

Every file is 0600 and every directory 0700 from the moment it exists, whatever the umask is; a file is written
beside its place and moved there, so that a crash or a full disk leaves the old one or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fireside.errors import Refused

_HINTS = {
    errno.ENOSPC: "make room on that disk, or point FIRESIDE_HOME at another",
    errno.EDQUOT: "make room within your quota, or point FIRESIDE_HOME at another disk",
    errno.EROFS: "that disk is mounted read-only: point FIRESIDE_HOME at a directory that you can write",
    errno.EACCES: "point FIRESIDE_HOME at a directory that you can write",
    errno.EPERM: "point FIRESIDE_HOME at a directory that you can write",
}


@contextlib.contextmanager
def refusing(what: str, path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into Refused: what was tried, on which path, and why it failed."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(f"cannot {what} {path}: {reason}", found=reason, hint=_HINTS.get(error.errno or 0)) from error


def make_directory(path: Path) -> None:
    """Make a directory and its parents, 0700 all that are new. Raises Refused."""
    with refusing("make the directory", path):
        missing = [path, *path.parents]
        for directory in reversed(missing[: next(i for i, parent in enumerate(missing) if parent.exists()) or 0]):
            directory.mkdir(mode=0o700, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def write(path: Path, content: str, *, mode: int = 0o600) -> None:
    """Put `content` at `path`, atomically and durably. Raises Refused."""
    make_directory(path.parent)
    with refusing("write", path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def read(path: Path) -> str | None:
    """Return the text at `path`; None when there is no such file. Raises Refused."""
    with refusing("read", path):
        try:
            return path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None


def remove_tree(path: Path) -> None:
    """Delete a file, link or directory with all that is in it; nothing happens when it is gone. Raises Refused.

    Tries again when a process that is just dying writes one more file. A symbolic link is never followed.
    """
    for attempt in range(5):
        try:
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == errno.ENOTEMPTY and attempt < 4:
                continue
            raise Refused(f"cannot delete {path}: {error.strerror or error}") from error
        if not path.exists() and not path.is_symlink():
            return


def size_of(path: Path) -> int:
    """Return the bytes of all files under `path`; links count as themselves, what vanishes meanwhile as nothing."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(directory) / name).lstat().st_size
    return total
