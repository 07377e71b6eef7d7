"""What the caller brings along: the Python that asks, and the PySpark in it, are what a local cluster runs by default.

The server runs in whatever Python started it first, so it is the caller who has to say.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any


def with_caller(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return `asked` with `spark.python`, and `spark.version` if PySpark is installed here, where they are absent.

    Only for the local backend: elsewhere the caller's interpreter means nothing. A `spark` that is no mapping is left
    alone for the server to refuse.
    """
    spark = asked.get("spark") or {}
    if asked.get("backend", "local") != "local" or not isinstance(spark, Mapping):
        return dict(asked)
    if spark.get("python"):  # another interpreter has a PySpark of its own
        return dict(asked)
    known = {"python": sys.executable, "version": pyspark_version()}
    return {**asked, "spark": {**{key: value for key, value in known.items() if value}, **spark}}


def pyspark_version() -> str | None:
    """Return the version of PySpark that is installed in this Python, without importing it."""
    try:
        return metadata.version("pyspark")
    except metadata.PackageNotFoundError:
        return None
