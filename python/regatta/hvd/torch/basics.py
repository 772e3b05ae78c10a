"""Start, end, and who is who."""

import atexit
import socket
import threading

import torch

from regatta.eccl import Communicator, EcclError
from regatta.hvd.environment import Placement, read_placement, read_settings
from regatta.hvd.timeline import Timeline
from regatta.hvd.torch.engine import Engine
from regatta.hvd.torch.errors import HorovodInternalError

__all__ = [
    "cross_rank",
    "cross_size",
    "engine",
    "init",
    "is_initialized",
    "local_rank",
    "local_size",
    "rank",
    "shutdown",
    "size",
    "start_timeline",
    "stop_timeline",
    "timeline",
]

_lock = threading.Lock()
_engine: Engine | None = None
_placement: Placement | None = None
timeline = Timeline()


def init() -> None:
    """Join the other ranks. A second call does nothing.

    Rank and size come from HOROVOD_RANK, HOROVOD_SIZE, HOROVOD_LOCAL_RANK and so on, else from
    RANK, WORLD_SIZE and LOCAL_RANK; without them this is the only process. The ranks meet at
    ECCL_MASTER_ADDR and ECCL_MASTER_PORT, else at MASTER_ADDR and MASTER_PORT. The latter pair is
    where torch.distributed meets, too: a program that uses both sets the former.

    Raises
    ------
    HorovodInternalError
        When the ranks do not come together; the text names those that are missing.
    ValueError
        When the environment contradicts itself.
    """
    global _engine, _placement
    with _lock:
        if _engine is not None:
            return
        placement, settings = read_placement(), read_settings()
        try:
            communicator = Communicator(placement.rank, placement.size)
            placement = _complete(placement, communicator)
        except EcclError as failed:
            raise HorovodInternalError(str(failed)) from failed
        if settings.timeline:
            timeline.start(settings.timeline, placement.rank)
        _placement = placement
        _engine = Engine(communicator, placement, settings, timeline)
        atexit.register(shutdown)


def _complete(placement: Placement, communicator: Communicator) -> Placement:
    """Find out which ranks share a host where the launcher did not say."""
    # All ranks take part: the launcher may have told some and not others.
    mine = torch.zeros(256, dtype=torch.uint8)
    name = socket.gethostname().encode()[:256]
    mine[: len(name)] = torch.tensor(list(name), dtype=torch.uint8)
    everyone = torch.empty(256 * placement.size, dtype=torch.uint8)
    communicator.all_gather(mine, everyone)
    hosts = [bytes(row.tolist()) for row in everyone.view(placement.size, 256)]
    here = [rank for rank, host in enumerate(hosts) if host == hosts[placement.rank]]
    order = list(dict.fromkeys(hosts))

    def given(value: int | None, otherwise: int) -> int:
        return otherwise if value is None else value

    return Placement(
        placement.rank,
        placement.size,
        given(placement.local_rank, here.index(placement.rank)),
        given(placement.local_size, len(here)),
        given(placement.cross_rank, order.index(hosts[placement.rank])),
        given(placement.cross_size, len(order)),
    )


def shutdown() -> None:
    """Leave, and end what is in progress; the other ranks' engines end, too. Twice is fine."""
    global _engine, _placement
    with _lock:
        engine, _engine, _placement = _engine, None, None
    if engine is not None:
        engine.shutdown()
        timeline.stop()
        atexit.unregister(shutdown)


def is_initialized() -> bool:
    """Tell whether `init` has been called."""
    return _engine is not None


def engine() -> Engine:
    """Return the engine; for the package's own use."""
    found = _engine
    if found is None:
        raise ValueError("hvd.init() has not been called, or hvd.shutdown() has")
    return found


def _known() -> Placement:
    if _placement is None:
        raise ValueError("hvd.init() has not been called, or hvd.shutdown() has")
    return _placement


def rank() -> int:
    """Return this process's number among all."""
    return _known().rank


def size() -> int:
    """Return the number of processes."""
    return _known().size


def local_rank() -> int:
    """Return this process's number among those on its host."""
    return _known().local_rank or 0


def local_size() -> int:
    """Return the number of processes on this host."""
    return _known().local_size or 1


def cross_rank() -> int:
    """Return this host's number among the hosts."""
    return _known().cross_rank or 0


def cross_size() -> int:
    """Return the number of hosts."""
    return _known().cross_size or 1


def start_timeline(path: str) -> None:
    """Record what happens, as a Chrome trace for ``path``; other ranks add ".<rank>"."""
    timeline.start(path, rank())


def stop_timeline() -> None:
    """Write the record."""
    timeline.stop()
