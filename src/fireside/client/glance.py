"""A quick look at a server that runs, without the client and its forms: for listings and for completion.

Importing pydantic takes longer than everything else that a listing does. So this asks with the standard library and
returns plain JSON, or None as soon as anything is not as usual; the client then asks again, starts a server where
one is missing, and says what is wrong.
"""

from __future__ import annotations

import http.client
import json
from typing import Any

from fireside.client import rendezvous
from fireside.client.unixsocket import SocketConnection
from fireside.settings import Settings

PREFIX = "/api/v1"
"""As in `operations.PREFIX`: a server that speaks another language has another one."""
_PATIENCE = 5.0


def clusters(settings: Settings) -> list[dict[str, Any]] | None:
    """Return the clusters that a running server lists, as the JSON of `wire.ClusterView`; None when it cannot."""
    return _listed(settings, "/clusters", "clusters")


def orphans(settings: Settings) -> list[str]:
    """Return the clusters that run but are in no record; none when no server answers."""
    return _listed(settings, "/health", "orphans") or []


def _listed(settings: Settings, path: str, field: str) -> list[Any] | None:
    connection = SocketConnection(rendezvous.meeting_of(settings).socket, timeout=_PATIENCE)
    try:
        connection.request("GET", f"{PREFIX}{path}", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            return None
        found: list[Any] = json.loads(answer.read())[field]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
    return found
