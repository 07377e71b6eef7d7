"""Run a script against a cluster, in a process of its own whose exit code is passed on.

As a Connect client the script finds `SPARK_REMOTE` and the token in its environment, where stock PySpark looks for
them. With a driver of its own ("classic": RDDs, `.master(…)`, `SparkContext`) it finds a private directory with
`spark-defaults.conf` that holds the RPC secret: only the owner can read it, and it is gone when the script ends,
also when this process is told to end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from fireside.client.session import target_of
from fireside.errors import NotFound, Refused, Unsupported
from fireside.render.confdir import conf_files

if TYPE_CHECKING:
    from fireside.wire import Connection

_MASTER_ANSWERS_WITHIN = 2.0
_CONNECT_ONLY = ("SPARK_REMOTE", "SPARK_CONNECT_AUTHENTICATE_TOKEN", "SPARK_CONNECT_MODE_ENABLED", "SPARK_API_MODE")
"""Variables that would make a classic driver a Connect client."""


def client_environment(connection: Connection) -> dict[str, str]:
    """Return the variables with which stock PySpark finds the cluster. Among them is the token.

    Raises Unsupported when the cluster has no Connect server.
    """
    variables = {**shared_environment(connection), "SPARK_REMOTE": f"sc://{target_of(connection)}"}
    if connection.token is not None:
        variables["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = connection.token
    return variables


def shared_environment(connection: Connection) -> dict[str, str]:
    """Return the variables that any program of the owner may want, a classic driver included; no secrets."""
    variables = {**_without_connect(connection.environment), "SHARED_WORKSPACE": connection.workspace}
    if connection.master is not None:
        variables["SPARK_MASTER_URL"] = connection.master
    if connection.python is not None:
        variables["PYSPARK_PYTHON"] = connection.python
    return variables


def run_client(connection: Connection, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` as a Connect client of the cluster; return its exit code."""
    with _relaying() as relay:
        return relay.run(command, {**_without_connect(environment), **client_environment(connection)})


def run_classic(connection: Connection, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` as a driver of its own against the cluster's master; return its exit code.

    Raises Unsupported when the cluster has no master.
    """
    if connection.master is None:
        raise Unsupported(
            f"cluster {connection.name!r} has no master: its topology is single",
            field="topology",
            found="single",
            allowed="standalone",
            hint=f"run the script as a Connect client: fireside run {connection.name} SCRIPT",
        )
    with _relaying() as relay, _private_conf(connection) as folder:
        variables = {**shared_environment(connection), "SPARK_CONF_DIR": str(folder)}
        return relay.run(command, {**_without_connect(environment), **variables})


def why_it_would_wait(master_page: str) -> str | None:
    """Return why a new driver would get no executor now, from the master's page; None when it would, or nobody says.

    Spark itself only says that the "initial job has not accepted any resources", for ever (TRB-08).
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{master_page}/json/", timeout=_MASTER_ANSWERS_WITHIN) as answer:
            found = json.load(answer)
        cores, used = int(found["cores"]), int(found["coresused"])
        holders = [f"{app['name']} ({app['cores']})" for app in found["activeapps"] if app["cores"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is a courtesy, and from elsewhere the page may be out of reach
    if used < cores:
        return None
    return f"all {cores} cores of the workers are taken, by {', '.join(holders) or 'nobody that the master names'}"


def _without_connect(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _CONNECT_ONLY}


@contextmanager
def _private_conf(connection: Connection) -> Iterator[Path]:
    secret = {} if connection.rpc_secret is None else {"spark.authenticate.secret": connection.rpc_secret}
    folder = Path(tempfile.mkdtemp(prefix="fireside-driver-"))  # 0700
    try:
        for file in conf_files(str(folder), {**connection.conf, **secret}):
            with os.fdopen(os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode), "w") as stream:
                stream.write(file.text)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Relay:
    """Runs one child and passes on to it the signals that ask this process to end, so that we outlive it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._asked: int | None = None

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run until the child ends; return its exit code, or 128 plus the signal that ended it."""
        if self._asked is None:
            try:
                self._child = subprocess.Popen(list(command), env=dict(environment))
            except FileNotFoundError as error:
                raise NotFound(f"there is no program {command[0]}", found=command[0]) from error
            except OSError as error:
                raise Refused(f"{command[0]} cannot be started: {error.strerror}") from error
        if self._child is None:
            return 128 + (self._asked or 0)
        if self._asked is not None:  # it came while the child was being started
            self._child.send_signal(self._asked)
        code = self._child.wait()
        return code if code >= 0 else 128 - code

    def pass_on(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal on. Ctrl-C at a terminal reaches the child without us: it is in the foreground, too."""
        self._asked = number
        if self._child is not None and not (number == signal.SIGINT and os.isatty(0)):
            self._child.send_signal(number)


@contextmanager
def _relaying() -> Iterator[_Relay]:
    """Hold back the signals that would end this process before it has cleaned up."""
    relay = _Relay()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, relay.pass_on) for number in numbers}
    try:
        yield relay
    finally:
        for number, old in before.items():
            signal.signal(number, old)
