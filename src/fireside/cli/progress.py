"""Waiting, seen: what a cluster waits for while a command does.

One place polls: it asks the server to wait a moment, and shows the events and the cluster's message in between. At a
terminal the message is a live line under the events; else, and with NO_COLOR, every change is a line of its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from fireside.cli import output
from fireside.client import waiting
from fireside.errors import TimedOut, Unavailable

if TYPE_CHECKING:
    from fireside.client.blocking import Client
    from fireside.wire import ClusterView

_LOOK = 1.0
"""Seconds that the server may hold one question: the longest that a new message stays unseen."""
_SPINNER = 2
"""Columns that the turning sign takes; the live line has the others, and must not wrap."""


class Display(Protocol):
    """Where progress is shown."""

    def line(self, text: str) -> None:
        """Show something that happened."""

    def waiting(self, text: str) -> None:
        """Show what is waited for now."""


class Plain:
    """Lines on stderr."""

    def __init__(self) -> None:
        self._last = ""

    def line(self, text: str) -> None:
        """Print what happened."""
        output.tell(text)

    def waiting(self, text: str) -> None:
        """Print what is waited for, when it is something new."""
        if text and text != self._last:
            output.tell(f"waiting: {text}")
        self._last = text


class Silent:
    """Nowhere: the caller reads JSON."""

    def line(self, text: str) -> None:
        """Show nothing."""

    def waiting(self, text: str) -> None:
        """Show nothing."""


@contextmanager
def display(*, quiet: bool) -> Iterator[Display]:
    """Open the display that suits where stderr goes."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        yield Plain()
    else:
        with _live() as shown:
            yield shown


@contextmanager
def _live() -> Iterator[Display]:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)

    class Live:
        def line(self, text: str) -> None:
            console.print(text, markup=False)

        def waiting(self, text: str) -> None:
            shown = Text(" ".join(text.split()))
            shown.truncate(console.width - _SPINNER, overflow="ellipsis")
            status.update(shown)

    with console.status("looks at the cluster") as status:
        yield Live()


def settle(
    asked: Client, view: ClusterView, shown: Display, *, timeout: float | None = None, after: int = 0
) -> ClusterView:
    """Wait until the cluster is where its owner wants it; return it.

    Shows the events with a number above `after`. Raises TimedOut after `timeout` seconds (default: the spec's own
    limit and a margin, so that its reason comes first), NotFound when the cluster is deleted, and the error that a
    failed cluster stands for.
    """
    name, seen, current = view.name, after, view
    limit = view.ready_timeout + waiting.MARGIN if timeout is None else timeout
    deadline = time.monotonic() + limit
    while True:
        settled = _look(asked, view.id, min(_LOOK, max(0.0, deadline - time.monotonic())))
        seen = _tell_events(asked, view.id, seen, shown)
        if settled is not None:
            return checked(settled)
        current = _current(asked, current)
        shown.waiting(current.message or f"{name} is {current.phase}")
        if time.monotonic() >= deadline:
            raise TimedOut(
                f"{name!r} is still {current.phase} after {limit:g}s: {current.message or 'no reason is known'}",
                hint=f"it goes on by itself: fireside status {name}",
            )


def watched(server: Client, view: ClusterView, *, timeout: float | None, quiet: bool, after: int) -> ClusterView:
    """Wait for a cluster and show it. After Ctrl-C, say in which state it is left, and end with 130."""
    try:
        with display(quiet=quiet) as shown:
            return settle(server, view, shown, timeout=timeout, after=after)
    except KeyboardInterrupt as error:
        output.tell(
            f"interrupted: {view.name!r} goes on by itself\n"
            f"  see it:   fireside status {view.name}\n"
            f"  stop it:  fireside down {view.name}"
        )
        raise typer.Exit(130) from error


def checked(view: ClusterView) -> ClusterView:
    """Return a cluster that has settled; raise what a failed one stands for."""
    if view.phase == "failed":
        raise waiting.failure(view)
    return view


def _look(asked: Client, ref: str, seconds: float) -> ClusterView | None:
    try:
        return asked.wait(ref, timeout=seconds)
    except TimedOut:
        return None
    except Unavailable:  # the server ends, or has ended: asking again starts another
        time.sleep(waiting.PAUSE)
        return None


def _current(asked: Client, known: ClusterView) -> ClusterView:
    try:
        return asked.get(known.id)
    except Unavailable:
        return known


def _tell_events(asked: Client, ref: str, seen: int, shown: Display) -> int:
    for event in waiting.news(asked, ref, seen):
        seen = event.seq
        shown.line(event.message)
    return seen
