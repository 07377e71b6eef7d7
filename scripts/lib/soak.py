"""Random kills in a row on a real cluster: after each one the spec is reached again, and a query is answered right.

Victims: a worker's JVM, an executor, the master, the Connect server, Fireside's own server. Only processes of the
home that this run made are touched; they are found by the label in their environment. Healed means: a process that
is not the killed one took its place, every node is ready, the master itself counts the workers of the spec, and a
new session gets the right answer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from statistics import median

VICTIMS = ("worker-1", "worker-2", "executor", "master", "connect", "server")
WORKERS = 2
LIMIT = 300.0
"""Seconds for one healing: far more than it takes, for a machine that does other things as well."""


def main() -> int:
    """Run the soak; return 0 when every kill was healed and nothing is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="to repeat a run")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # after ending what was started
    print(f"seed {seed}, {options.kills} kills", flush=True)
    with tempfile.TemporaryDirectory(prefix="fs-soak-") as home:
        os.environ["FIRESIDE_HOME"] = home
        return soak(home, options.kills, random.Random(seed))


def soak(home: str, kills: int, chance: random.Random) -> int:
    """Bring a cluster up, kill and check, take it down; return the exit status."""
    import fireside
    from fireside.client.cluster import stop_server

    failures: list[str] = []
    healed: defaultdict[str, list[float]] = defaultdict(list)
    try:
        fireside.up("soak", workers={"count": WORKERS, "cores": 1, "spark_memory": "1g"})
        for number in range(1, kills + 1):
            victim = chance.choice(VICTIMS)
            started = time.monotonic()
            pid = kill(home, victim)
            wrong = check(home, victim, pid)
            taken = time.monotonic() - started
            print(f"{number:4} {victim:<9} pid {pid:<8} {wrong if wrong else 'healed'} in {taken:.1f} s", flush=True)
            if wrong:
                failures.append(f"kill {number} of {victim}: {wrong}")
            else:
                healed[victim].append(taken)
    finally:
        for cluster in fireside.clusters():
            cluster.down(purge=True)
        stop_server()
    left = [f"process {pid}: {name}" for pid, name in settled(home)]
    left += [str(path) for path in Path(home, "clusters").glob("*")]
    for victim, times in sorted(healed.items()):
        slowest = f"median {median(times):.1f} s, slowest {max(times):.1f} s"
        print(f"{victim:<9} healed {len(times)} times: {slowest}")
    print("\n".join(["FAILED:", *failures, *left]) if failures or left else f"all {kills} kills healed, nothing left")
    return 1 if failures or left else 0


def kill(home: str, victim: str) -> int:
    """Send SIGKILL to one process of that kind; return its pid, 0 when there was none."""
    for pid, name in labelled(home):
        if name == victim:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return pid
    return 0


def labelled(home: str) -> list[tuple[int, str]]:
    """Return (pid, kind) of every process of this home: nodes, executors, and the server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            environment = dict(
                item.split(b"=", 1) for item in (entry / "environ").read_bytes().split(b"\0") if b"=" in item
            )
        except OSError:
            continue
        if home.encode() not in environment.get(b"SPARK_CONF_DIR", b"") + environment.get(b"FIRESIDE_HOME", b""):
            continue
        if b"org.apache.spark.executor.CoarseGrainedExecutorBackend" in command:
            found.append((int(entry.name), "executor"))
        elif b"fireside.gateway" in command:
            found.append((int(entry.name), "server"))
        elif any(word.startswith(b"org.apache.spark.deploy.") for word in command):
            found.append((int(entry.name), environment.get(b"FIRESIDE_NODE", b"?").decode()))
    return found


def settled(home: str, limit: float = 15.0) -> list[tuple[int, str]]:
    """Return what is left of this home; a server that was told to end has a moment for it."""
    until = time.monotonic() + limit
    while (left := labelled(home)) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def check(home: str, victim: str, pid: int) -> str:
    """Wait until all is as the spec says and a query is answered right; return what is wrong, or nothing."""
    if pid == 0:
        return "there was none to kill"
    until, wrong = time.monotonic() + LIMIT, "not tried"
    while time.monotonic() < until:
        try:
            wrong = look(home, victim, pid)
        except Exception as error:  # noqa: BLE001 - whatever a client may meet while its cluster is being killed
            wrong = f"{type(error).__name__}: {str(error)[:200]}"
        if not wrong:
            return ""
        time.sleep(0.2)
    return wrong


def look(home: str, victim: str, pid: int) -> str:
    """Return what differs from the spec now, or nothing."""
    import fireside

    cluster = fireside.cluster("soak").wait(timeout=LIMIT)  # starts the server when that was the victim
    with contextlib.closing(Session(cluster)) as session:
        rows = session.count(1000)
    if rows != 1000:
        return f"1000 rows expected, {rows} found"
    there = labelled(home)
    if (pid, victim) in there or victim not in {name for _, name in there}:
        return f"nothing took the place of {victim}"
    view = cluster.status()
    waiting = [f"{node.name} is {node.phase}" for node in view.nodes if node.phase != "ready"]
    if waiting or view.phase != "ready":
        return ", ".join([f"it is {view.phase}", *waiting])
    with urllib.request.urlopen(f"{view.links['master']}/json/", timeout=10) as answer:
        alive = json.load(answer)["aliveworkers"]
    return "" if alive == WORKERS else f"the master counts {alive} workers"


class Session:
    """A Spark session that is ended with its block."""

    def __init__(self, cluster) -> None:  # type: ignore[no-untyped-def]  # fireside is imported after its home is set
        self.spark = cluster.session()

    def count(self, rows: int) -> int:
        """Run a job with a shuffle and return how many rows came out."""
        return int(self.spark.range(0, rows, 1, 4).repartition(2).count())

    def close(self) -> None:
        """End the session."""
        self.spark.stop()


if __name__ == "__main__":
    sys.exit(main())
