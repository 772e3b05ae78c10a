"""Runs what the ranks have agreed on for NumPy arrays. Called by the background thread only.

Arrays are C-contiguous, and their number types are those of the request: arrays of bfloat16 hold
its bits.
"""

from collections.abc import Callable

import numpy as np

from regatta.eccl import Communicator, Compressor
from regatta.hvd.arrays.adasum import adasum
from regatta.hvd.arrays.numbers import memory, scale, storage
from regatta.hvd.entry import Entry
from regatta.hvd.reductions import Op, native
from regatta.hvd.requests import Request

__all__ = ["ArrayBackend"]

Requests = list[Request]  # of the members, in their order


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """View a contiguous array as bytes: moving data needs no number type."""
    return array.reshape(-1).view(np.uint8)


def _row_bytes(array: np.ndarray) -> int:
    count = array.itemsize
    for extent in array.shape[1:]:
        count *= extent
    return count


class ArrayBackend:
    """`regatta.hvd.entry.Backend` for NumPy arrays, which in-place operations overwrite."""

    def zeros(self, request: Request) -> Entry:
        """Return a submission of zeros."""
        arrays = [
            np.zeros(shape, storage(name))
            for shape, name in zip(request.shapes, request.dtypes, strict=True)
        ]
        return Entry(request, arrays)

    def all_reduce(
        self, communicator: Communicator, entries: list[Entry], begin: int, end: int | None
    ) -> None:
        """Reduce the arrays of all entries, or a part of the one array there is."""
        if entries[0].request.op == Op.ADASUM:
            _adasum(communicator, entries[0])
        elif len(entries) == 1 and len(entries[0].inputs) == 1:
            _reduce_one(communicator, entries[0], begin, end)
        else:
            _reduce_fused(communicator, entries)

    def all_reduce_compressed(
        self, communicator: Communicator, entry: Entry, compressor: Compressor
    ) -> None:
        """Reduce the entry's one array approximately."""
        request, source, name = entry.request, entry.inputs[0], entry.request.dtypes[0]
        target = _target(entry, 0)
        given = source
        if request.prescale != 1.0:
            if target is not source:
                target[...] = source
            scale(target.reshape(-1), name, request.prescale)
            given = target
        given, taken = given.reshape(-1), target.reshape(-1)
        communicator.all_reduce_compressed(
            memory(given, name), memory(taken, name), compressor, native(request.op)
        )
        scale(taken, name, request.postscale)
        entry.results = [target]

    def perform(
        self,
        communicator: Communicator,
        entry: Entry,
        requests: dict[int, Request],
        members: tuple[int, ...],
    ) -> None:
        """Run a collective that is no all-reduce."""
        ordered = [requests[rank] for rank in members]
        if entry.request.kind == "broadcast":
            _broadcast(communicator, entry, members.index(entry.request.root))
        else:
            _OTHERS[entry.request.kind](communicator, entry, ordered)


def _target(entry: Entry, index: int) -> np.ndarray:
    """Return where a result goes that is as large as its input."""
    return np.empty_like(entry.inputs[index]) if entry.outputs is None else entry.outputs[index]


def _reduce_one(communicator: Communicator, entry: Entry, begin: int, end: int | None) -> None:
    """Reduce one array without copies."""
    request, source, name = entry.request, entry.inputs[0], entry.request.dtypes[0]
    if begin == 0:
        target = _target(entry, 0)
        if request.prescale != 1.0:
            if target is not source:
                target[...] = source
            scale(target.reshape(-1), name, request.prescale)
        entry.results = [target]
    target = entry.results[0]
    given = source if request.prescale == 1.0 else target
    given, taken = given.reshape(-1)[begin:end], target.reshape(-1)[begin:end]
    communicator.all_reduce(memory(given, name), memory(taken, name), native(request.op))
    scale(taken, name, request.postscale)


def _reduce_fused(communicator: Communicator, entries: list[Entry]) -> None:
    """Reduce the arrays of all entries, those of one type in one message."""
    request = entries[0].request
    for entry in entries:
        entry.results = [_target(entry, index) for index in range(len(entry.inputs))]
    for name in sorted({name for entry in entries for name in entry.request.dtypes}):
        members = [
            (entry, index)
            for entry in entries
            for index, other in enumerate(entry.request.dtypes)
            if other == name
        ]
        buffer = np.concatenate([entry.inputs[index].reshape(-1) for entry, index in members])
        scale(buffer, name, request.prescale)
        whole = memory(buffer, name)
        communicator.all_reduce(whole, whole, native(request.op))
        scale(buffer, name, request.postscale)
        at = 0
        for entry, index in members:
            # A result of its own: a view would keep the whole fusion buffer alive.
            target = entry.results[index]
            target.reshape(-1)[...] = buffer[at : at + target.size]
            at += target.size


def _adasum(communicator: Communicator, entry: Entry) -> None:
    request, results = entry.request, []
    for index, (source, name) in enumerate(zip(entry.inputs, request.dtypes, strict=True)):
        target = _target(entry, index)
        target[...] = source
        flat = target.reshape(-1)
        scale(flat, name, request.prescale)
        adasum(communicator, flat, name)
        scale(flat, name, request.postscale)
        results.append(target)
    entry.results = results


def _all_gather(communicator: Communicator, entry: Entry, requests: Requests) -> None:
    results = []
    for index, mine in enumerate(entry.inputs):
        rows = [request.shapes[index][0] for request in requests]
        result = np.empty((sum(rows), *mine.shape[1:]), mine.dtype)
        width = _row_bytes(mine)
        communicator.all_gather(
            _as_bytes(mine), _as_bytes(result), [count * width for count in rows]
        )
        results.append(result)
    entry.results = results


def _broadcast(communicator: Communicator, entry: Entry, root: int) -> None:
    target = entry.inputs[0].copy() if entry.outputs is None else entry.outputs[0]
    communicator.broadcast(_as_bytes(target), root)
    entry.results = [target]


def _all_to_all(communicator: Communicator, entry: Entry, requests: Requests) -> None:
    mine = entry.inputs[0]
    width = _row_bytes(mine)
    received = [request.splits[communicator.rank] for request in requests]
    result = np.empty((sum(received), *mine.shape[1:]), mine.dtype)
    communicator.all_to_all(
        _as_bytes(mine),
        [count * width for count in entry.request.splits],
        _as_bytes(result),
        [count * width for count in received],
    )
    entry.results = [result, np.array(received, np.int32)]


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Make equal parts of rows of which the first ranks get one more than the others."""
    few, extra = divmod(rows.shape[0], size)
    if extra == 0:
        return rows
    parts = np.zeros((size, few + 1, *rows.shape[1:]), rows.dtype)
    border = extra * (few + 1)
    parts[:extra] = rows[:border].reshape(extra, few + 1, *rows.shape[1:])
    parts[extra:, :few] = rows[border:].reshape(size - extra, few, *rows.shape[1:])
    return parts


def _reduce_scatter(communicator: Communicator, entry: Entry, requests: Requests) -> None:
    request, size, rank = entry.request, communicator.size, communicator.rank
    results = []
    for source, name in zip(entry.inputs, request.dtypes, strict=True):
        rows, extra = divmod(source.shape[0], size)
        work = _padded(source, size)
        if request.prescale != 1.0:
            work = work.copy() if work is source else work
            scale(work.reshape(-1), name, request.prescale)
        result = np.empty((rows + (1 if extra else 0), *source.shape[1:]), source.dtype)
        communicator.reduce_scatter(memory(work, name), memory(result, name), native(request.op))
        result = result[: rows + (1 if rank < extra else 0)]
        scale(result.reshape(-1), name, request.postscale)
        results.append(result)
    entry.results = results


_OTHERS: dict[str, Callable[[Communicator, Entry, Requests], None]] = {
    "allgather": _all_gather,
    "alltoall": _all_to_all,
    "reducescatter": _reduce_scatter,
}
