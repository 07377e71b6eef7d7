"""Which server a command asks, and which cluster it means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fireside.errors import FiresideError, NotFound

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fireside.client.blocking import Client
    from fireside.wire import Connection

DEFAULT = "default"


def client() -> Client:
    """Return a client of this user's server; start the server when none runs."""
    from fireside.cli import output
    from fireside.client import launch

    return launch.open_client(progress=output.tell)


def listing() -> list[dict[str, Any]]:
    """Return all clusters as the JSON of `wire.ClusterView`; start the server when none runs."""
    from fireside import settings
    from fireside.client import glance

    found = glance.clusters(settings.load())
    if found is None:
        found = [view.model_dump(mode="json") for view in client().list_clusters().clusters]
    return found


def orphans() -> list[str]:
    """Return the clusters that run but are in no record, as far as a server that runs knows."""
    from fireside import settings
    from fireside.client import glance

    return glance.orphans(settings.load())


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


@contextmanager
def session(connection: Connection) -> Iterator[SparkSession]:
    """Open a session for a command, and end it afterwards."""
    import logging

    from fireside.client.session import open_session

    spark = open_session(connection)
    # pyspark writes each failed query to stderr as JSON, with two stack traces; the command tells the error itself.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    try:
        yield spark
    finally:
        spark.stop()


def names_now() -> list[str]:
    """Return the names of all clusters, for completion; nothing when no server runs or it does not answer."""
    from fireside import settings
    from fireside.client import glance

    try:
        return [view["name"] for view in glance.clusters(settings.load()) or ()]
    except FiresideError:  # a setting that cannot be read
        return []  # a shell that completes a name has no place for an error
