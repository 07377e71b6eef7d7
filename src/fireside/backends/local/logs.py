"""What nodes wrote: read, followed, rotated, and kept when the node is gone.

A daemon appends to one file. Executors write into the worker's working directory, and those files move beside the
daemons' logs when their node ends, so that a reason can still be looked up. Python functions print into their
executor's files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fireside.backends.local import files
from fireside.backends.local.layout import ClusterFiles, NodeFiles
from fireside.errors import Refused
from fireside.ports import LogLine

DAEMON = "daemon"
_POLL_SECONDS = 0.2
_STREAMS = ("stderr", "stdout")
_KEPT_EXECUTORS = 20
_CHUNK = 256 * 1024
_BEGIN = "---- fireside: "


@dataclass(frozen=True, slots=True)
class Source:
    """A file that grows, and whose it is."""

    node: str
    name: str
    path: Path


def begin_marker(node: str, incarnation: str) -> str:
    """Return the line that stands in the log before what this start of the node writes."""
    return f"{_BEGIN}{node} starts ({incarnation}) ----"


def sources(cluster: ClusterFiles, node: str | None) -> list[Source]:
    """Return the logs of one node (None: of all), daemons first."""
    names = {path.stem for path in cluster.logs.glob("*.log")} | set(cluster.node_names())
    daemons: list[Source] = []
    executors: list[Source] = []
    for name in sorted(names if node is None else names & {node}):
        place = cluster.node(name)
        daemons.append(Source(name, DAEMON, place.log))
        executors += [
            Source(name, f"{path.parent.parent.name}/{path.parent.name} {path.name}", path)
            for root in (place.kept_logs, place.work)
            for path in _executor_logs(root)
        ]
    return daemons + executors


def _executor_logs(root: Path) -> list[Path]:
    return sorted(path for stream in _STREAMS for path in root.glob(f"app-*/*/{stream}") if path.is_file())


# -------------------------------------------------------------------------------------- reading, following


async def read(cluster: ClusterFiles, node: str | None, *, follow: bool, tail: int | None) -> AsyncIterator[LogLine]:
    """Yield past lines, at most `tail` a source, then with `follow` new ones until closed."""
    readers: dict[Path, _Reader] = {}
    first = True
    while True:
        for source in await asyncio.to_thread(sources, cluster, node):
            if source.path not in readers:
                # A source that appears later is new from its first line on.
                readers[source.path] = _Reader(source)
                past = await asyncio.to_thread(readers[source.path].past, tail if first else None)
            else:
                past = await asyncio.to_thread(readers[source.path].more)
            for text in past:
                yield LogLine(source.node, source.name, text)
        first = False
        if not follow:
            for reader in readers.values():
                if reader.partial:
                    yield LogLine(reader.source.node, reader.source.name, _text(reader.partial))
            return
        await asyncio.sleep(_POLL_SECONDS)


@dataclass(slots=True)
class _Reader:
    """Reads a file on from where it was left, over rotations."""

    source: Source
    offset: int = 0
    partial: bytes = field(default=b"", repr=False)

    def past(self, tail: int | None) -> list[str]:
        rotated = reversed(rotations(self.source.path))
        lines = [line for path in rotated for line in _whole_lines(path)] if tail is None else []
        lines += self.more()
        if tail is None:
            return lines
        kept = deque(lines, maxlen=tail)
        for path in rotations(self.source.path):  # newest first: only as many as are needed
            if len(kept) >= tail:
                break
            kept.extendleft(list(reversed(_whole_lines(path)))[: tail - len(kept)])
        return list(kept)

    def more(self) -> list[str]:
        """Return the lines that were completed since the last call."""
        try:
            size = self.source.path.stat().st_size
            if size < self.offset:  # rotated: what was not read yet lies in the newest copy
                self._take(rotations(self.source.path)[:1])
                self.offset = 0
            self._take([self.source.path])
        except FileNotFoundError:
            return []
        *lines, self.partial = self.partial.split(b"\n")
        return [_text(line) for line in lines]

    def _take(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with path.open("rb") as file:
                file.seek(self.offset)
                taken = file.read()
            self.partial += taken
            self.offset += len(taken)


def _whole_lines(path: Path) -> list[str]:
    try:
        return [_text(line) for line in path.read_bytes().splitlines()]
    except FileNotFoundError:
        return []


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")


def last_words(path: Path, incarnation: str, limit: int = 16 * 1024) -> str:
    """Return the end of what this start of a node wrote."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - limit))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    _, found, after = text.rpartition(_BEGIN)
    first, _, rest = after.partition("\n")
    if not found:
        return text
    return rest if incarnation in first else ""


# ---------------------------------------------------------------------------------------- rotating, keeping


def rotations(path: Path) -> list[Path]:
    """Return the rotated copies of a log, newest first."""
    numbered = [
        (int(copy.suffix[1:]), copy) for copy in path.parent.glob(f"{path.name}.*") if copy.suffix[1:].isdigit()
    ]
    return [copy for _, copy in sorted(numbered)]


def rotate(cluster: ClusterFiles, *, size: int, keep: int) -> None:
    """Copy daemons' logs that outgrew `size` bytes away and empty them; keep `keep` copies of each.

    Executors' logs are rolled by their worker. Daemons hold theirs open and append, so they go on at the new
    beginning. A full disk is no reason to lose the newest lines: then the log stays as it is.
    """
    for path in cluster.logs.glob("*.log"):
        with contextlib.suppress(OSError):
            if path.stat().st_size > size:
                _rotate(path, keep)


def _rotate(path: Path, keep: int) -> None:
    copies = rotations(path)
    for copy in reversed(copies):
        number = int(copy.suffix[1:])
        if number >= keep:
            copy.unlink()
        else:
            copy.replace(path.with_name(f"{path.name}.{number + 1}"))
    newest = path.with_name(f"{path.name}.1")
    with path.open("rb") as old, open(newest, "wb", opener=_owner_only) as copied:
        shutil.copyfileobj(old, copied, _CHUNK)
    os.truncate(path, 0)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def keep_executor_logs(node: NodeFiles) -> None:
    """Move what executors wrote out of a node's directory, before that is deleted.

    On a full disk they are lost: making room must not fail for want of room. Raises Refused when old ones cannot be
    deleted.
    """
    with contextlib.suppress(Refused):
        for path in _executor_logs(node.work):
            target = node.kept_logs / path.relative_to(node.work)
            files.make_directory(target.parent)
            with files.refusing("keep the log", path), contextlib.suppress(FileNotFoundError):
                path.replace(target)
                target.chmod(0o600)
    for stale in list(_newest_first(node.kept_logs.glob("app-*/*")))[_KEPT_EXECUTORS:]:
        files.remove_tree(stale)


def _newest_first(paths: Iterable[Path]) -> Iterator[Path]:
    dated = sorted(((path.stat().st_mtime, path) for path in paths), reverse=True)
    return (path for _, path in dated)
