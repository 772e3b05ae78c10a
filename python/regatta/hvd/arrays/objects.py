"""Python objects of all ranks; they travel as pickles."""

import pickle
from typing import Any

import numpy as np

from regatta.hvd import basics
from regatta.hvd.arrays.execute import ArrayBackend
from regatta.hvd.arrays.handles import submit, synchronize
from regatta.hvd.entry import register_backend
from regatta.hvd.process_sets import ProcessSet, global_process_set

try:
    from cloudpickle import dumps as _dumps  # knows lambdas and local classes, too
except ImportError:
    _dumps = pickle.dumps

__all__ = ["allgather_object", "broadcast_object"]

_BACKEND = "objects"
register_backend(_BACKEND, ArrayBackend())


def _pack(obj: Any) -> np.ndarray:
    return np.frombuffer(bytearray(_dumps(obj)), np.uint8)


def _unpack(data: np.ndarray) -> Any:
    # The bytes come from a rank of one's own job, which has proved that it knows the job token.
    return pickle.loads(data.tobytes())


def _start(kind: str, name: str, array: np.ndarray, chosen: ProcessSet, **attributes: Any) -> int:
    pairs = [(array, array.dtype.name)]
    return submit(
        _BACKEND, kind, name, pairs, False, chosen, lambda results: results[0], **attributes
    )


def broadcast_object(
    obj: Any,
    root_rank: int = 0,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> Any:
    """Return ``obj`` of ``root_rank`` on all ranks; it travels as a pickle."""
    label = name if name is not None else "object"
    at_root = basics.rank() == root_rank
    data = _pack(obj) if at_root else np.empty(0, np.uint8)
    length = np.array([data.size])
    lengths = _start("broadcast", f"{label}.length", length, process_set, root=root_rank)
    count = int(synchronize(lengths)[0])
    if not at_root:
        data = np.empty(count, np.uint8)
    found = synchronize(_start("broadcast", f"{label}.data", data, process_set, root=root_rank))
    return obj if at_root else _unpack(found)


def allgather_object(
    obj: Any, name: str | None = None, process_set: ProcessSet = global_process_set
) -> list[Any]:
    """Return all ranks' objects, in the order of the ranks; they travel as pickles."""
    label = name if name is not None else "object"
    data = _pack(obj)
    lengths = _start("allgather", f"{label}.length", np.array([data.size]), process_set)
    everyones = _start("allgather", f"{label}.data", data, process_set)
    ends = np.cumsum(synchronize(lengths))
    return [_unpack(part) for part in np.split(synchronize(everyones), ends[:-1])]
