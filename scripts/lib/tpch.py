"""TPC-H data and two of its queries: real input, with answers that a second engine confirms.

The data come from a generator (`tpchgen-cli`), the second engine is DuckDB on the same files.
"""

from __future__ import annotations

import math
import subprocess
import sysconfig
from decimal import Decimal
from pathlib import Path

TABLES = ("lineitem", "orders", "customer")

QUERIES = {
    "pricing summary (Q1)": """
        SELECT l_returnflag, l_linestatus, sum(l_quantity) AS quantity, sum(l_extendedprice) AS base_price,
               sum(l_extendedprice * (1 - l_discount)) AS discounted,
               avg(l_quantity) AS average_quantity, count(*) AS orders
        FROM lineitem WHERE l_shipdate <= DATE '1998-09-02'
        GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus""",
    "shipping priority (Q3)": """
        SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
        FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
        WHERE c_mktsegment = 'BUILDING' AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
        GROUP BY l_orderkey, o_orderdate, o_shippriority
        ORDER BY revenue DESC, o_orderdate, l_orderkey LIMIT 10""",
}

Row = tuple[object, ...]


def generate(directory: Path, scale: float = 0.1) -> None:
    """Write the tables as Parquet files into `directory`; files that are there already are kept."""
    if all((directory / f"{table}.parquet").exists() for table in TABLES):
        return
    directory.mkdir(parents=True, exist_ok=True)
    program = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
    options = ["--scale-factor", str(scale), "--tables", ",".join(TABLES), "--output-dir", str(directory)]
    subprocess.run([str(program), "parquet", *options], check=True)


def second_answers(directory: Path) -> dict[str, list[Row]]:
    """Return DuckDB's rows of each query over the same files."""
    import duckdb

    with duckdb.connect() as database:
        for table in TABLES:
            database.execute(f"CREATE VIEW {table} AS SELECT * FROM '{directory / table}.parquet'")
        return {name: database.execute(query).fetchall() for name, query in QUERIES.items()}


def same(ours: list[Row], theirs: list[Row]) -> bool:
    """Whether two answers hold the same rows in the same order; averages may differ in the last digits."""
    return len(ours) == len(theirs) and all(
        len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(ours, theirs, strict=True)
    )


def _equal(x: object, y: object) -> bool:
    if isinstance(x, (int, float, Decimal)) and isinstance(y, (int, float, Decimal)):
        return math.isclose(x, y, rel_tol=1e-6)
    return x == y
