"""HTTP over a Unix socket, with the standard library alone: what both the client and a quick look need."""

from __future__ import annotations

import http.client
import os
import socket
import struct
from pathlib import Path

CONNECT_TIMEOUT = 5.0
"""Seconds to connect; a local socket either answers at once or not at all."""


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket whose other end belongs to this user."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect. Raises OSError, and PermissionError when another user's process listens there."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_TIMEOUT)
            sock.connect(str(self._path))
            check_peer(sock)
            sock.settimeout(self.timeout)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def check_peer(sock: socket.socket) -> None:
    """Raise PermissionError unless this user or root listens at the other end; where the system tells (Linux)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid not in {os.getuid(), 0}:
        raise PermissionError(f"the server belongs to user {uid}")
