"""Start, end, and who is who; the same for all frameworks of a process."""

import atexit
import dataclasses
import itertools
import socket
import threading
from collections.abc import Iterable, Sequence

import numpy as np

from regatta.eccl import Communicator, EcclError
from regatta.hvd.elastic import worker
from regatta.hvd.engine import Engine
from regatta.hvd.entry import Entry
from regatta.hvd.environment import (
    DYNAMIC_TIMELINE,
    Placement,
    read_placement,
    read_settings,
    warn_of_refused,
)
from regatta.hvd.errors import HorovodInternalError
from regatta.hvd.network import choose_address
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.requests import Request
from regatta.hvd.timeline import Timeline

__all__ = [
    "add_process_set",
    "barrier",
    "cross_rank",
    "cross_size",
    "engine",
    "init",
    "is_homogeneous",
    "is_initialized",
    "join",
    "local_rank",
    "local_size",
    "name_of",
    "process_set_ranks",
    "rank",
    "remove_process_set",
    "shutdown",
    "size",
    "start_timeline",
    "stop_timeline",
    "timeline",
    "wait",
]

_lock = threading.Lock()
_engine: Engine | None = None
_placement: Placement | None = None
_sets: list[ProcessSet] = []
_counters: dict[str, "itertools.count[int]"] = {}
# How often all ranks have joined: each time the numbers of unnamed tensors, which may differ then,
# begin again.
_joins = 0
timeline = Timeline()

_HOST_BYTES = 256
_NOT_INITIALIZED = "hvd.init() has not been called, or hvd.shutdown() has"


def init(
    comm: Sequence[int] | None = None,
    process_sets: "Sequence[ProcessSet] | str | None" = None,
) -> None:
    """Join the other ranks. A second call does nothing.

    Rank and size come from HOROVOD_RANK, HOROVOD_SIZE, HOROVOD_LOCAL_RANK and so on, else from
    RANK, WORLD_SIZE and LOCAL_RANK; without them this is the only process. The ranks meet at
    ECCL_MASTER_ADDR and ECCL_MASTER_PORT, else at MASTER_ADDR and MASTER_PORT. The latter pair is
    where torch.distributed meets, too: a program that uses both sets the former.

    Parameters
    ----------
    comm : sequence of int, optional
        For Horovod's sake: all ranks in order, or nothing. Make process sets for fewer.
    process_sets : sequence of ProcessSet, optional
        Sets to add at once, the same on all ranks. ``"dynamic"`` (or nothing) adds none; sets can
        be added later in any case.

    Raises
    ------
    HorovodInternalError
        When the ranks do not come together; the text names those that are missing.
    ValueError
        When the environment or the arguments contradict themselves.
    """
    with _lock:
        if _engine is not None:
            return
        _start(comm)
        atexit.register(shutdown)
    if process_sets is not None and not isinstance(process_sets, str):
        for one in process_sets:
            add_process_set(one)
    elif process_sets not in (None, "dynamic"):
        raise ValueError(f'process_sets is a list of sets or "dynamic", not "{process_sets}"')


def _start(comm: Sequence[int] | None) -> None:
    global _engine, _placement, _joins
    settings = read_settings()
    warn_of_refused()
    try:
        if worker.wanted():
            placement, communicator = worker.meet()
        else:
            placement = read_placement()
            if placement.size > 1:
                choose_address(settings.interface)
            algorithm = "hierarchical" if settings.hierarchical else None
            communicator = Communicator(placement.rank, placement.size, algorithm=algorithm)
        if comm is not None and list(comm) != list(range(placement.size)):
            communicator.abort()
            raise ValueError(
                f"init(comm={comm!r}): only all ranks in order are possible here; "
                "use process_sets for fewer"
            )
        placement = _complete(placement, communicator)
    except EcclError as failed:
        raise HorovodInternalError(str(failed)) from failed
    if settings.timeline and settings.timeline != DYNAMIC_TIMELINE:
        timeline.start(settings.timeline, placement.rank, settings.timeline_marks_cycles)
    _counters.clear()
    _joins = 0
    _placement = placement
    global_process_set.attach(0, range(placement.size), placement.rank)
    _engine = Engine(communicator, placement, settings, timeline)


def _complete(placement: Placement, communicator: Communicator) -> Placement:
    """Find out which ranks share a host where the launcher did not say."""
    # All ranks take part: the launcher may have told some and not others.
    mine = np.zeros(_HOST_BYTES, np.uint8)
    name = socket.gethostname().encode()[:_HOST_BYTES]
    mine[: len(name)] = list(name)
    everyone = np.empty(_HOST_BYTES * placement.size, np.uint8)
    communicator.all_gather(mine, everyone)
    hosts = [row.tobytes() for row in everyone.reshape(placement.size, _HOST_BYTES)]
    here = [rank for rank, host in enumerate(hosts) if host == hosts[placement.rank]]
    order = list(dict.fromkeys(hosts))

    def given(value: int | None, otherwise: int) -> int:
        return otherwise if value is None else value

    local_size = given(placement.local_size, len(here))
    sizes = np.empty(placement.size, np.int64)
    communicator.all_gather(np.array([local_size]), sizes)
    return dataclasses.replace(
        placement,
        local_rank=given(placement.local_rank, here.index(placement.rank)),
        local_size=local_size,
        cross_rank=given(placement.cross_rank, order.index(hosts[placement.rank])),
        cross_size=given(placement.cross_size, len(order)),
        homogeneous=bool((sizes == sizes[0]).all()),
    )


def shutdown() -> None:
    """Leave, and end what is in progress; the other ranks' engines end, too. Twice is fine."""
    global _engine, _placement
    with _lock:
        engine, _engine, _placement = _engine, None, None
        sets, _sets[:] = list(_sets), []
    for one in sets:
        one.detach()
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
        raise ValueError(_NOT_INITIALIZED)
    return found


def wait(entry: Entry) -> None:
    """Return when an entry's outcome is known; for the package's own use."""
    running = _engine
    # After shutdown() outcomes are known, or about to be.
    running.wait(entry) if running is not None else entry.wait()


def name_of(kind: str, name: str | None, process_set: int) -> tuple[str, bool]:
    """Return a collective's full name, and whether it was given: others never come again."""
    if name is not None:
        return f"{kind}.{name}", True
    with _lock:
        counter = _counters.setdefault(f"{kind}.{process_set}", itertools.count(1))
        return f"{kind}.noname.{_joins}.{next(counter)}", False


def _known() -> Placement:
    if _placement is None:
        raise ValueError(_NOT_INITIALIZED)
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


def is_homogeneous() -> bool:
    """Tell whether all hosts have the same number of processes."""
    return _known().homogeneous


def start_timeline(file_path: str, mark_cycles: bool = False) -> None:
    """Record what happens, as a Chrome trace; ranks but 0 add ".<rank>" to the path."""
    timeline.start(file_path, rank(), mark_cycles)


def stop_timeline() -> None:
    """Complete the record."""
    _known()
    timeline.stop()


# --- what concerns no tensor ---


def _control(request: Request) -> list[int]:
    running = engine()
    entry = running.submit(Entry(request, []))
    running.wait(entry)
    if entry.error is not None:
        raise HorovodInternalError(str(entry.error)) from entry.error
    return entry.results


def barrier(process_set: ProcessSet = global_process_set) -> None:
    """Wait until all ranks of the set have come here."""
    number = number_of(process_set)
    name, _ = name_of("barrier", None, number)
    _control(Request(name, "barrier", process_set=number))


def join(device: int = -1) -> int:
    """Say that this rank has no more data, and wait until all ranks have said so.

    Meanwhile it takes part in the others' all-reduces (Average, Sum, Adasum) with zeros; an average
    is still over all ranks. Other collectives of theirs fail.

    Returns
    -------
    int
        The rank that joined last.
    """
    global _joins
    last = _control(Request("join", "join"))[0]
    with _lock:
        _joins += 1
        _counters.clear()
    return last


def number_of(process_set: ProcessSet) -> int:
    """Return the number of a set that this rank can use; for the package's own use."""
    number = process_set.process_set_id
    if number == 0:
        return 0
    if number is None:
        raise ValueError(f"{process_set} is not in use; add it by hvd.add_process_set()")
    if not process_set.included():
        raise ValueError(f"rank {rank()} is not part of {process_set}")
    return number


def process_set_ranks(number: int) -> list[int] | None:
    """Return the ranks of the set with this number, None when there is none."""
    if number == 0:
        return list(range(size()))
    with _lock:
        return next((one.ranks for one in _sets if one.process_set_id == number), None)


def add_process_set(process_set: ProcessSet | Iterable[int]) -> ProcessSet:
    """Make a set of ranks; all ranks of the job call it with the same ranks.

    Raises
    ------
    ValueError
        When there is a set of the same ranks, or a rank is not one of the job.
    """
    made = process_set if isinstance(process_set, ProcessSet) else ProcessSet(process_set)
    ranks = tuple(made.ranks or ())
    if not ranks or ranks[0] < 0 or ranks[-1] >= size():
        raise ValueError(f"{made} needs ranks from 0 to {size() - 1}, and at least one")
    name, _ = name_of("add_process_set", None, 0)
    number = _control(Request(name, "add_process_set", splits=ranks))[0]
    if number < 0:
        raise ValueError(f"there is already a process set of ranks {list(ranks)}")
    made.attach(number, ranks, rank())
    with _lock:
        _sets.append(made)
    return made


def remove_process_set(process_set: ProcessSet) -> bool:
    """Give a set up; all ranks of the job call it. False for the global set and unused ones."""
    number = process_set.process_set_id
    if number is None or number == 0:
        return False
    process_set.detach()
    with _lock:
        _sets[:] = [one for one in _sets if one is not process_set]
    name, _ = name_of("remove_process_set", None, 0)
    return _control(Request(name, "remove_process_set", root=number))[0] == number
