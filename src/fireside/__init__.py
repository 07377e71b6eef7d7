"""Fireside: an Apache Spark cluster of their own for every notebook user, in seconds, from one spec.

The public surface is small: :func:`up` brings a cluster up and returns it as an object, :func:`cluster` returns one
that exists, :class:`Cluster` is that object, :class:`ClusterSpec` says what is wanted. Importing this package loads
nothing heavy; each name is imported when it is first used. No public name is also the name of a subpackage: importing
that would put it in the name's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fireside.client.aio import AsyncClient
    from fireside.client.cluster import Cluster, cluster, clusters, up
    from fireside.model.spec import ClusterSpec

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Cluster", "ClusterSpec", "__version__", "cluster", "clusters", "up"]

_HOME_OF = {
    "AsyncClient": "fireside.client.aio",
    "Cluster": "fireside.client.cluster",
    "ClusterSpec": "fireside.model.spec",
    "cluster": "fireside.client.cluster",
    "clusters": "fireside.client.cluster",
    "up": "fireside.client.cluster",
}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        import importlib

        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
