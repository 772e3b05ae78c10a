"""Hands arrays to the background thread, and results back by handle."""

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regatta.hvd import basics
from regatta.hvd.entry import Entry
from regatta.hvd.errors import HorovodInternalError
from regatta.hvd.process_sets import ProcessSet
from regatta.hvd.requests import Request

__all__ = ["Finish", "poll", "submit", "synchronize"]

# Makes of the arrays of a result what the caller of synchronize() gets.
Finish = Callable[[list[np.ndarray]], Any]

_handles: dict[int, tuple[Entry, Finish]] = {}
_lock = threading.Lock()
_next_handle = itertools.count(1)


def submit(
    backend: str,
    kind: str,
    name: str | None,
    arrays: Sequence[tuple[np.ndarray, str]],
    in_place: bool,
    process_set: ProcessSet,
    finish: Finish,
    **attributes: Any,
) -> int:
    """Submit contiguous arrays, each with the name of its number type, and return a handle.

    ``attributes`` are fields of `Request`.
    """
    number = basics.number_of(process_set)
    full, named = basics.name_of(kind, name, number)
    request = Request(
        full,
        kind,
        tuple([array.shape for array, _ in arrays]),
        tuple([dtype for _, dtype in arrays]),
        process_set=number,
        backend=backend,
        cacheable=named,
        **attributes,
    )
    inputs = [array for array, _ in arrays]
    entry = basics.engine().submit(Entry(request, inputs, inputs if in_place else None))
    handle = next(_next_handle)
    with _lock:
        _handles[handle] = (entry, finish)
    return handle


def poll(handle: int) -> bool:
    """Tell whether `synchronize` would return at once."""
    with _lock:
        found = _handles.get(handle)
    if found is None:
        raise ValueError(f"handle {handle} is unknown, or was synchronized before")
    return found[0].done()


def synchronize(handle: int) -> Any:
    """Wait for an asynchronous operation and return its result, once.

    Returns
    -------
    tensor, list of them for a group, or for alltoall a pair (tensor, received splits)

    Raises
    ------
    HorovodInternalError
        When the operation failed, with the ranks and tensors concerned in the text.
    """
    with _lock:
        found = _handles.pop(handle, None)
    if found is None:
        raise ValueError(f"handle {handle} is unknown, or was synchronized before")
    entry, finish = found
    if not entry.done():
        basics.wait(entry)
    if entry.error is not None:
        raise HorovodInternalError(str(entry.error)) from entry.error
    return finish(entry.results)
