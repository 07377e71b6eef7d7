"""Which server a command asks, and which cluster it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireside.errors import FiresideError, NotFound

if TYPE_CHECKING:
    from fireside.client.blocking import Client

DEFAULT = "default"


def client() -> Client:
    """Return a client of this user's server; start the server when none runs."""
    from fireside.cli import output
    from fireside.client import launch

    return launch.open_client(progress=output.tell)


def running_client() -> Client | None:
    """Return a client of the server that runs, or None. Starts nothing."""
    from fireside.client import launch

    return launch.running_client()


def pick(asked: Client, name: str | None) -> str:
    """Return the cluster that is meant: the one named, else the only one, else the one called `default`.

    Raises NotFound, naming what there is, when that is not clear.
    """
    if name is not None:
        return name
    names = [view.name for view in asked.list_clusters().clusters]
    if len(names) == 1:
        return names[0]
    if DEFAULT in names:
        return DEFAULT
    if not names:
        raise NotFound("there are no clusters", hint="start one: fireside up")
    raise NotFound(
        f"there are {len(names)} clusters and none is called {DEFAULT!r}: name the one you mean",
        allowed=", ".join(names),
    )


def names_now() -> list[str]:
    """Return the names of all clusters, for completion; nothing when no server runs or it does not answer."""
    try:
        asked = running_client()
        return [] if asked is None else [view.name for view in asked.list_clusters().clusters]
    except FiresideError:
        return []  # a shell that completes a name has no place for an error
