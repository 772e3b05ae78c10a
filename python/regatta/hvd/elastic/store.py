"""Where the ranks of an elastic job meet: a small server inside the launcher.

A rank says ``hello`` with the job's token and its worker id, then

- ``join``: answered with a plan (its rank and so on) when all ranks have joined, or ``leave``;
- ``put`` and ``get`` of one value, the unique id of the ranks' communicator, for one generation;
  ``get`` is answered when the value is there, or with ``void`` when that generation never will be.

Unasked it is told of ``hosts`` that have come or gone. docs/design/python.md has the messages.
"""

import contextlib
import hmac
import socket
import threading
from collections.abc import Callable
from typing import Any

from regatta.hvd.elastic.wire import Peer

__all__ = ["Store"]

_HELLO_SECONDS = 10.0


class Store:
    """Listens on a port of its own on loopback.

    Parameters
    ----------
    token : str
        Connections that do not know it are dropped.
    on_join : callable
        Gets the worker's id and whether it needs the state of others; from any thread.
    """

    def __init__(self, token: str, on_join: Callable[[str, bool], None]) -> None:
        self._token = token
        self._on_join = on_join
        self._lock = threading.Lock()
        self._peers: dict[str, Peer] = {}
        self._generation = 0
        self._value: str | None = None
        self._spoilt = False
        self._asking: list[Peer] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.address = f"{host}:{port}"
        self._thread = threading.Thread(target=self._accept, name="regatta-store", daemon=True)
        self._thread.start()

    def begin(self, generation: int) -> None:
        """Forget the value of the generation before; who still asks for it is told so."""
        self.spoil()
        with self._lock:
            self._generation, self._value, self._spoilt = generation, None, False

    def spoil(self) -> None:
        """Say that the generation will not come together: one of its ranks is gone."""
        with self._lock:
            self._spoilt = True
            asking, self._asking = self._asking, []
        for peer in asking:
            _send(peer, type="answer", void=True)

    def send(self, worker: str, **message: Any) -> None:
        """Send to a worker, if it is connected."""
        with self._lock:
            peer = self._peers.get(worker)
        if peer is not None:
            _send(peer, **message)

    def close(self) -> None:
        """Stop listening, and end all connections."""
        # Closing alone would leave accept() waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            peers = list(self._peers.values())
        for peer in peers:
            peer.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_HELLO_SECONDS)
        peer = Peer(connection)
        hello = peer.receive() or {}
        worker = str(hello.get("worker", ""))
        if not worker or not hmac.compare_digest(str(hello.get("token", "")), self._token):
            peer.close()
            return
        connection.settimeout(None)
        with self._lock:
            self._peers[worker] = peer
        while (message := peer.receive()) is not None:
            self._handle(worker, peer, message)
        with self._lock:
            if self._peers.get(worker) is peer:
                del self._peers[worker]
            if peer in self._asking:
                self._asking.remove(peer)
        peer.close()

    def _handle(self, worker: str, peer: Peer, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "join":
            self._on_join(worker, bool(message.get("sync")))
        elif kind == "put":
            with self._lock:
                if message.get("generation") != self._generation:
                    return
                self._value = str(message.get("value"))
                asking, self._asking = self._asking, []
            for other in asking:
                _send(other, type="answer", value=self._value)
        elif kind == "get":
            with self._lock:
                void = self._spoilt or message.get("generation") != self._generation
                value = self._value
                if not void and value is None:
                    self._asking.append(peer)
                    return
            if void:
                _send(peer, type="answer", void=True)
            else:
                _send(peer, type="answer", value=value)


def _send(peer: Peer, **message: Any) -> None:
    # A worker that is gone is noticed by its process.
    with contextlib.suppress(OSError):
        peer.send(**message)
