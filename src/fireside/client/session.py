"""A stock Spark Connect session, opened so that nothing hangs and nothing leaks.

A stock client retries for minutes when nobody answers, and fails in odd places when its version is another than the
server's. So a short handshake goes first; it also tells the server's version, which is compared with the client's
before any of pyspark is asked. The token is handed to gRPC by the channel builder: neither the URL nor the
environment carries it.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from fireside.connect.handshake import handshake
from fireside.errors import MissingPart, Unsupported
from fireside.model import versions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from fireside.wire import Connection

ANSWER_WITHIN = 10.0
"""Seconds in which a Connect server must answer a handshake."""

_PACKAGES = ("pyspark", "pyspark-client", "pyspark-connect")


def open_session(connection: Connection, *, app: str | None = None, timeout: float = ANSWER_WITHIN) -> SparkSession:
    """Return a new session of the cluster: a stock ``pyspark.sql.connect`` session.

    Raises Unsupported (the cluster has no Connect server), MissingPart (no PySpark here), Unavailable (nobody
    answers within `timeout` seconds), NotAllowed (wrong token) and VersionMismatch (with the pip line that helps).
    """
    greet(connection, timeout=timeout)
    return start_session(connection, app=app)


def greet(connection: Connection, *, timeout: float = ANSWER_WITHIN) -> str:
    """Do a handshake and compare versions; return the server's version. Raises as `open_session`."""
    client = client_version(connection.spark)
    server = shake_hands(connection, timeout=timeout)
    versions.match_client(client, server)
    return server


def shake_hands(connection: Connection, *, timeout: float = ANSWER_WITHIN) -> str:
    """Return the version of the Connect server that answers. Leaves no session behind."""
    token = None if connection.token is None else SecretStr(connection.token)
    return handshake(target_of(connection), token, timeout=timeout)


def target_of(connection: Connection) -> str:
    """Return `host:port` of the cluster's Connect server. Raises Unsupported when it has none."""
    if connection.remote is None:
        raise Unsupported(
            f"cluster {connection.name!r} has no Connect server",
            field="connect",
            found="connect: false",
            hint=f"run scripts with a driver of their own: fireside run --classic {connection.name} SCRIPT",
        )
    return connection.remote.removeprefix("sc://").partition("/")[0]


def client_version(server: str) -> str:
    """Return the version of the PySpark client of this Python.

    Raises MissingPart with the line that installs the one that fits `server`.
    """
    for package in _PACKAGES:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise _missing("pyspark", server)


def start_session(connection: Connection, *, app: str | None = None) -> SparkSession:
    """Open a session without asking first whether anybody answers; see `open_session`."""
    # Functions of pyspark decide by this variable whether they make Connect or classic expressions.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    try:
        from pyspark.sql.connect.session import SparkSession as ConnectSession

        channel = _channel_builder(f"sc://{target_of(connection)}/", connection.token)
    except ImportError as error:
        raise _missing(error.name or "pyspark", connection.spark) from error
    builder = ConnectSession.builder.channelBuilder(channel)
    if app is not None:
        builder = builder.appName(app)
    session: SparkSession = builder.create()
    _make_active(ConnectSession, session)
    return session


def _make_active(kind: Any, session: SparkSession) -> None:
    """Make `session` the one that functions of this thread use (`udf("long")` asks it what "long" is).

    PySpark keeps the first session for that, also when it has ended, or when its server has.
    """
    kind._active_session.session = session
    with kind._lock:
        if kind._default_session is None or kind._default_session.is_stopped:
            kind._default_session = session


def _channel_builder(url: str, token: str | None) -> Any:
    from pyspark.sql.connect.client import DefaultChannelBuilder

    class TokenHeldApart(DefaultChannelBuilder):  # type: ignore[misc]
        """Knows the token without its being in the URL or the environment."""

        @property
        def token(self) -> str | None:
            return token

    return TokenHeldApart(url)


def _missing(module: str, spark: str) -> MissingPart:
    return MissingPart(
        f"{module} is not installed for {sys.executable}: sessions need the PySpark client",
        found="nothing",
        allowed=f"pyspark[connect] {spark}",
        hint=f"{sys.executable} -m pip install 'pyspark[connect]=={spark}'",
    )
