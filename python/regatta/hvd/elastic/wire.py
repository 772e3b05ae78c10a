"""Messages between the launcher's store and the ranks: JSON objects, one a line, over TCP."""

import json
import socket
import threading
from typing import Any

__all__ = ["Peer"]

_LONGEST = 1 << 16  # bytes of one message


class Peer:
    """One end of a connection. Any thread may send; one receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._lock = threading.Lock()

    def send(self, **message: Any) -> None:
        """Send a message; OSError when the other side is gone."""
        data = json.dumps(message).encode() + b"\n"
        with self._lock:
            self._connection.sendall(data)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, None at the end or when it is not one."""
        try:
            line = self._reader.readline(_LONGEST)
            message = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def close(self) -> None:
        """End the connection; the other side's and our own `receive` return None."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._connection.close()
