"""A rank's side of the launcher's store: meets the other ranks, hears of hosts."""

import logging
import os
import queue
import socket
import threading
from typing import Any

from regatta import eccl
from regatta.hvd.elastic import notices
from regatta.hvd.elastic.wire import Peer
from regatta.hvd.environment import Placement
from regatta.hvd.errors import HorovodInternalError

__all__ = ["STORE", "WORKER", "meet", "wanted"]

STORE = "REGATTA_HVD_STORE"  # host:port of the launcher's store
WORKER = "REGATTA_HVD_WORKER"  # this process's id there
_CONNECT_SECONDS = 30.0
_MEET_MILLISECONDS = 30_000
_log = logging.getLogger("regatta.hvd")


class _Client:
    """The connection to the store, for the life of the process."""

    def __init__(self) -> None:
        host, _, port = os.environ[STORE].rpartition(":")
        connection = socket.create_connection((host, int(port)), _CONNECT_SECONDS)
        connection.settimeout(None)
        self._peer = Peer(connection)
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._peer.send(
            type="hello",
            token=os.environ.get("ECCL_JOB_TOKEN", ""),
            worker=os.environ.get(WORKER, ""),
        )
        threading.Thread(target=self._listen, name="regatta-elastic", daemon=True).start()

    def _listen(self) -> None:
        while (message := self._peer.receive()) is not None:
            if message.get("type") == "hosts":
                notices.tell(float(message["timestamp"]), int(message["update"]))
            else:
                self._answers.put(message)
        self._answers.put(None)

    def tell(self, **message: Any) -> None:
        try:
            self._peer.send(**message)
        except OSError as failed:
            raise RuntimeError(f"the launcher is gone: {failed}") from failed

    def ask(self, **message: Any) -> dict[str, Any]:
        self.tell(**message)
        answer = self._answers.get()
        if answer is None:
            self._answers.put(None)
            raise RuntimeError("the launcher of this elastic job is gone")
        return answer


_client: _Client | None = None


def wanted() -> bool:
    """Tell whether this process belongs to an elastic launcher."""
    return STORE in os.environ


def meet() -> tuple[Placement, eccl.Communicator]:
    """Wait for the other ranks; return who this one is now, and the way to them.

    Raises
    ------
    SystemExit
        When this rank's place was taken away: it ends, successfully.
    HorovodInternalError
        When this machine cannot talk; other ranks' failures only mean another try.
    """
    global _client
    if _client is None:
        _client = _Client()
    while True:
        plan = _client.ask(type="join", sync=notices.sync_needed())
        if plan.get("leave"):
            _log.warning("this rank's place was taken away; it ends")
            raise SystemExit(0)
        notices.need_sync(bool(plan["sync"]))
        placement = Placement(
            *(
                int(plan[name])
                for name in (
                    "rank",
                    "size",
                    "local_rank",
                    "local_size",
                    "cross_rank",
                    "cross_size",
                )
            )
        )
        try:
            communicator = _connect(_client, placement, int(plan["generation"]))
        except eccl.EcclError as failed:
            if placement.size == 1:
                raise HorovodInternalError(str(failed)) from failed
            _log.warning("the ranks did not come together, trying again: %s", failed)
            continue
        if communicator is not None:
            return placement, communicator


def _connect(client: _Client, placement: Placement, generation: int) -> eccl.Communicator | None:
    """Return the communicator; None when another generation has begun already."""
    if placement.rank == 0:
        unique_id = eccl.get_unique_id()
        client.tell(type="put", generation=generation, value=unique_id.data.hex())
    else:
        answer = client.ask(type="get", generation=generation)
        if answer.get("void"):
            return None
        unique_id = eccl.UniqueId(bytes.fromhex(answer["value"]))
    return eccl.Communicator(
        placement.rank, placement.size, unique_id, init_timeout_ms=_MEET_MILLISECONDS
    )
