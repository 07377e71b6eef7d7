"""The main job, as a stranger sees it: a cluster comes up, SQL on real input, Pi, and nothing is left behind."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tpch

READY_WITHIN = "10m"
"""More than the default: the first thing that a stranger tries should not fail because the machine is busy."""


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print what is done, and how long it took."""
    print(f"\n▸ {what}", flush=True)
    started = time.monotonic()
    yield
    print(f"  done in {time.monotonic() - started:.1f} s", flush=True)


def main() -> int:
    """Run the demo in a home of its own; return 0 when every answer is right and nothing is left."""
    with tempfile.TemporaryDirectory(prefix="fireside-demo-") as home:
        os.environ["FIRESIDE_HOME"] = str(Path(home) / "home")
        import fireside
        from fireside.client.cluster import stop_server

        data = Path(home) / "tpch"
        with timed("Generating TPC-H data, scale 0.1"):
            tpch.generate(data)
        try:
            right = journey(fireside, data)
        finally:  # whatever happened, Ctrl-C included: processes must not outlive the home that says whose they are
            with timed("fireside down demo --purge"):
                for cluster in fireside.clusters():
                    cluster.down(purge=True)
            stop_server()
        left = [str(path) for path in Path(home, "home").glob("clusters/*")] + labelled_processes(home)
    print("\nNothing is left behind." if not left else f"\nLeft behind: {left}")
    return 0 if right and not left else 1


def journey(fireside, data: Path) -> bool:  # type: ignore[no-untyped-def]  # imported after the home is chosen
    """Bring a cluster up and ask it the questions; return whether every answer was right."""
    from fireside.cli.output import block
    from fireside.errors import FiresideError

    try:
        with timed("fireside up demo --workers 2"):
            cluster = fireside.up(
                "demo",
                workers=2,
                timeouts={"ready": READY_WITHIN},
                progress=lambda line: print(f"  {line}", flush=True),
            )
        for node in cluster.status().nodes:
            print(f"  {node.name:<10} {node.phase:<8} {node.cores} cores  {node.memory:>6}  {node.addresses}")
        with timed("Opening a stock Spark Connect session"):
            spark = cluster.session()
            for table in tpch.TABLES:
                spark.read.parquet(str(data / f"{table}.parquet")).createOrReplaceTempView(table)
        right = compare(spark, data)
        with timed("Computing Pi on the workers"):
            pi = compute_pi(spark)
            print(f"  Pi is roughly {pi:.5f}")
        spark.stop()
    except FiresideError as error:
        print(f"\n{block(error)}\n")
        for cluster in fireside.clusters():
            for entry in cluster.logs(tail=20):
                print(f"  {entry.node}: {entry.text}")
        return False
    return right and abs(pi - 3.14159) < 0.01


def compare(spark, data: Path) -> bool:  # type: ignore[no-untyped-def]  # pyspark is optional for type checks
    """Ask both engines the same and say whether they agree."""
    answers = tpch.second_answers(data)
    agree = True
    for name, query in tpch.QUERIES.items():
        with timed(f"TPC-H {name}"):
            frame = spark.sql(query)
            frame.show(4)
            same = tpch.same([tuple(row) for row in frame.collect()], answers[name])
            print(f"  {len(answers[name])} rows, {'equal to' if same else 'DIFFERENT from'} DuckDB's")
            agree = agree and same
    return agree


def compute_pi(spark) -> float:  # type: ignore[no-untyped-def]  # pyspark is optional for type checks
    """Throw ten million darts."""
    darts = 10_000_000
    inside = spark.range(0, darts, 1, 8).where("pow(rand(7), 2) + pow(rand(11), 2) <= 1").count()
    return float(4 * inside / darts)


def labelled_processes(home: str) -> list[str]:
    """Return processes that still carry the demo's home in their command line (Linux)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if home in command and int(entry.parent.name) != os.getpid():
            found.append(command[:80])
    return found


if __name__ == "__main__":
    sys.exit(main())
