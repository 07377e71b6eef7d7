"""Nothing → first rows in a stock client (master, 2 workers, Connect, 2 executors) against Spark's own scripts.

Both sides get one Python process to do everything in, the same sizes, the same Java and the same query. Spark's
side is started as its documentation says, but with every wait as short as it can be: each program starts as soon as
what it needs listens.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import footprint
from report import in_turn, report

QUERY = "spark.range(0, 1_000_000, 1, 4).selectExpr('id % 7 AS k').groupBy('k').count().collect()"

OURS = f"""
import fireside
cluster = fireside.up("bench", workers={{"count": 2, "cores": 1, "spark_memory": "1g"}}, executors={{"memory": "1g"}})
spark = cluster.session()
print("rows", len({QUERY}), flush=True)
"""

THEIRS = f"""
import os, socket, subprocess, sys, time
home, (rpc, ui, grpc, driver_ui, w1, w2) = os.environ["SPARK_HOME"], map(int, sys.argv[1:])
def start(*words):
    subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=open(os.environ["BENCH_LOG"], "ab"))
def listening(port):
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
run, master = home + "/bin/spark-class", f"spark://127.0.0.1:{{rpc}}"
start(run, "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(rpc), "--webui-port", str(ui))
listening(rpc)
for port in (w1, w2):
    start(run, "org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g", "--host", "127.0.0.1",
          "--webui-port", str(port), "--work-dir", os.environ["BENCH_WORK"], master)
start(home + "/bin/spark-submit", "--master", master, "--conf", f"spark.connect.grpc.binding.port={{grpc}}",
      "--conf", "spark.executor.memory=1g", "--conf", f"spark.ui.port={{driver_ui}}",
      "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal")
listening(grpc)
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{{grpc}}").getOrCreate()
print("rows", len({QUERY}), flush=True)
"""

costs: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}


def measure(side: str, code: str, *arguments: str) -> float:
    """Run one side in an empty home; return the seconds to its rows, and keep CPU and memory at that moment."""
    import pyspark

    with tempfile.TemporaryDirectory(prefix="fs-bench-") as home:
        environment = {
            **os.environ,
            "FIRESIDE_HOME": f"{home}/fireside",
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "BENCH_LOG": f"{home}/log",
            "BENCH_WORK": f"{home}/work",
        }
        before, started = footprint.cpu_seconds(), time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.PIPE, text=True
        ) as child:
            line = child.stdout.readline() if child.stdout else ""
            taken = time.perf_counter() - started
            costs[side].append((footprint.cpu_seconds() - before, footprint.memory_mib()))
            footprint.end_all()
        if line.split() != ["rows", "7"]:
            raise SystemExit(f"{side}: no rows but {line!r}")
    return taken


def free_ports(count: int) -> list[str]:
    """Return ports that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main() -> None:
    """Measure in turn and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    footprint.adopt_orphans()
    pairs = in_turn(rounds, lambda: measure("ours", OURS), lambda: measure("theirs", THEIRS, *free_ports(6)))
    middle = {
        side: [round(statistics.median(values), 1) for values in zip(*rows, strict=True)]
        for side, rows in costs.items()
    }
    details = {
        "seconds": [[round(ours, 1), round(theirs, 1)] for ours, theirs in pairs],
        "cpu_seconds": {side: values[0] for side, values in middle.items()},
        "pss_mib": {side: values[1] for side, values in middle.items()},
        "java": java_version(),
    }
    report("cold-start", pairs, unit="seconds to first rows", goal=0.85, details=details)


def java_version() -> str:
    """Return what `java -version` says first; Fireside picks the same when it fits."""
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else "java"
    return json.dumps(
        subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr.split("\n")[0]
    )


if __name__ == "__main__":
    main()
