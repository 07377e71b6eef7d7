"""`fireside ps` against a running server, compared with `python -c 'import typer, httpx'`."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from report import in_turn, report


def seconds(command: list[str]) -> float:
    """Return how long a command takes, as a whole process; the best of three."""
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return min(taken)


def heavy_modules() -> list[str]:
    """Return which heavy packages `import fireside` loads; there should be none."""
    code = (
        "import sys, fireside; print(*[m for m in ('pyspark','grpc','fastapi','uvicorn','sqlalchemy','pydantic',"
        "'rich','typer','httpx','ruamel','structlog','psutil') if m in sys.modules])"
    )
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def main() -> None:
    """Measure in turn and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    fireside = [sys.executable, "-m", "fireside"]
    with tempfile.TemporaryDirectory(prefix="fs-bench-") as home:
        os.environ["FIRESIDE_HOME"] = home
        subprocess.run([*fireside, "server", "start"], check=True, stdout=subprocess.DEVNULL)
        try:
            pairs = in_turn(
                rounds,
                lambda: seconds([*fireside, "ps"]),
                lambda: seconds([sys.executable, "-c", "import typer, httpx"]),
            )
        finally:
            subprocess.run([*fireside, "server", "stop"], check=False, stdout=subprocess.DEVNULL)
    report(
        "cli",
        pairs,
        unit="seconds, whole process",
        goal=1.3,
        details={
            "ps_seconds": round(statistics.median(pair[0] for pair in pairs), 3),
            "imports_seconds": round(statistics.median(pair[1] for pair in pairs), 3),
            "heavy_modules_of_import_fireside": heavy_modules(),
        },
    )


if __name__ == "__main__":
    main()
