"""Runs what the ranks have agreed on for tensors of torch. Called by the background thread only."""

from collections.abc import Callable

import torch

from regatta.eccl import Communicator, Compressor
from regatta.hvd.entry import Entry, register_backend
from regatta.hvd.reductions import Op, native
from regatta.hvd.requests import Request
from regatta.hvd.torch.adasum import adasum_

__all__ = ["NAME", "TorchBackend"]

NAME = "torch"
Requests = list[Request]  # of the members, in their order


def _scale(tensor: torch.Tensor, factor: float) -> None:
    if factor == 1.0:
        return
    if not tensor.is_floating_point():
        tensor.copy_(tensor.double().mul_(factor))
    elif tensor.dtype in (torch.float16, torch.bfloat16):
        tensor.copy_(tensor.float().mul_(factor))
    else:
        tensor.mul_(factor)


def _as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """View a contiguous tensor as bytes: moving data needs no number type."""
    return tensor.reshape(-1).view(torch.uint8)


def _row_bytes(tensor: torch.Tensor) -> int:
    count = tensor.element_size()
    for extent in tensor.shape[1:]:
        count *= extent
    return count


class TorchBackend:
    """`regatta.hvd.entry.Backend` for CPU tensors of torch."""

    def zeros(self, request: Request) -> Entry:
        """Return a submission of zeros."""
        tensors = [
            torch.zeros(shape, dtype=getattr(torch, dtype))
            for shape, dtype in zip(request.shapes, request.dtypes, strict=True)
        ]
        return Entry(request, tensors)

    def all_reduce(
        self, communicator: Communicator, entries: list[Entry], begin: int, end: int | None
    ) -> None:
        """Reduce the tensors of all entries, or a part of the one tensor there is."""
        if entries[0].request.op == Op.ADASUM:
            _adasum(communicator, entries[0])
        elif len(entries) == 1 and len(entries[0].inputs) == 1:
            _reduce_one(communicator, entries[0], begin, end)
        else:
            _reduce_fused(communicator, entries)

    def all_reduce_compressed(
        self, communicator: Communicator, entry: Entry, compressor: Compressor
    ) -> None:
        """Reduce the entry's one tensor approximately."""
        request, source = entry.request, entry.inputs[0]
        target = entry.outputs[0] if entry.outputs is not None else torch.empty_like(source)
        work = target
        if not work.is_contiguous():
            work = torch.empty(source.shape, dtype=source.dtype)
        given = source
        if request.prescale != 1.0 or not source.is_contiguous():
            if work is not source:
                work.copy_(source)
            _scale(work, request.prescale)
            given = work
        communicator.all_reduce_compressed(given, work, compressor, native(request.op))
        _scale(work, request.postscale)
        if work is not target:
            target.copy_(work)
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


def _reduce_one(communicator: Communicator, entry: Entry, begin: int, end: int | None) -> None:
    """Reduce one tensor without copies, where it lies in one piece."""
    request, source = entry.request, entry.inputs[0]
    if begin == 0:
        target = entry.outputs[0] if entry.outputs is not None else None
        if target is None or not target.is_contiguous():
            target = torch.empty(source.shape, dtype=source.dtype)
        if (request.prescale != 1.0 or not source.is_contiguous()) and target is not source:
            target.copy_(source)
        _scale(target, request.prescale)
        entry.results = [target]
    target = entry.results[0]
    direct = request.prescale == 1.0 and source.is_contiguous()
    given, taken = source if direct else target, target
    if end is not None:
        given, taken = given.view(-1)[begin:end], taken.view(-1)[begin:end]
    communicator.all_reduce(given, taken, native(request.op))
    _scale(taken, request.postscale)
    if (end is None or end == target.numel()) and entry.outputs is not None:
        if entry.outputs[0] is not target:
            entry.outputs[0].copy_(target)
        entry.results = entry.outputs


def _reduce_fused(communicator: Communicator, entries: list[Entry]) -> None:
    """Reduce the tensors of all entries, those of one type in one message."""
    request = entries[0].request
    flat = [(entry, index) for entry in entries for index in range(len(entry.inputs))]
    done: dict[tuple[int, int], torch.Tensor] = {}
    for dtype in sorted({entry.inputs[index].dtype for entry, index in flat}, key=str):
        members = [(entry, index) for entry, index in flat if entry.inputs[index].dtype == dtype]
        buffer = torch.cat([entry.inputs[index].reshape(-1) for entry, index in members])
        _scale(buffer, request.prescale)
        communicator.all_reduce(buffer, buffer, native(request.op))
        _scale(buffer, request.postscale)
        parts = buffer.split([entry.inputs[index].numel() for entry, index in members])
        for (entry, index), part in zip(members, parts, strict=True):
            shaped = part.view(entry.inputs[index].shape)
            # A result of its own: a view would keep the whole fusion buffer alive.
            target = entry.outputs[index] if entry.outputs is not None else torch.empty_like(shaped)
            target.copy_(shaped)
            done[id(entry), index] = target
    for entry in entries:
        entry.results = [done[id(entry), index] for index in range(len(entry.inputs))]


def _adasum(communicator: Communicator, entry: Entry) -> None:
    results = []
    for index, source in enumerate(entry.inputs):
        work = source.reshape(-1).clone()
        _scale(work, entry.request.prescale)
        adasum_(communicator, work)
        _scale(work, entry.request.postscale)
        result = work.view(source.shape)
        if entry.outputs is not None:
            result = entry.outputs[index].copy_(result)
        results.append(result)
    entry.results = results


def _all_gather(communicator: Communicator, entry: Entry, requests: Requests) -> None:
    results = []
    for index, source in enumerate(entry.inputs):
        mine = source.contiguous()
        rows = [request.shapes[index][0] for request in requests]
        result = torch.empty((sum(rows), *mine.shape[1:]), dtype=mine.dtype)
        width = _row_bytes(mine)
        communicator.all_gather(
            _as_bytes(mine), _as_bytes(result), [count * width for count in rows]
        )
        results.append(result)
    entry.results = results


def _broadcast(communicator: Communicator, entry: Entry, root: int) -> None:
    source = entry.inputs[0]
    target = entry.outputs[0] if entry.outputs is not None else None
    work = target
    if work is None or not work.is_contiguous():
        work = source.detach().clone(memory_format=torch.contiguous_format)
    communicator.broadcast(_as_bytes(work), root)
    if target is not None and target is not work:
        target.copy_(work)
    entry.results = [target if target is not None else work]


def _all_to_all(communicator: Communicator, entry: Entry, requests: Requests) -> None:
    mine = entry.inputs[0].contiguous()
    width = _row_bytes(mine)
    received = [request.splits[communicator.rank] for request in requests]
    result = torch.empty((sum(received), *mine.shape[1:]), dtype=mine.dtype)
    communicator.all_to_all(
        _as_bytes(mine),
        [count * width for count in entry.request.splits],
        _as_bytes(result),
        [count * width for count in received],
    )
    entry.results = [result, torch.tensor(received, dtype=torch.int32)]


def _reduce_scatter(communicator: Communicator, entry: Entry, requests: Requests) -> None:
    request, size, rank = entry.request, communicator.size, communicator.rank
    results = []
    for source in entry.inputs:
        work = source.detach().clone(memory_format=torch.contiguous_format)
        _scale(work, request.prescale)
        rows, extra = divmod(work.shape[0], size)
        mine = rows + (1 if rank < extra else 0)
        if extra:
            # The first ranks get one row more; libeccl has equal parts, so the others' are padded.
            padded = torch.zeros((size, rows + 1, *work.shape[1:]), dtype=work.dtype)
            many = work[: extra * (rows + 1)]
            padded[:extra].copy_(many.view(extra, rows + 1, *work.shape[1:]))
            few = work[extra * (rows + 1) :]
            padded[extra:, :rows].copy_(few.view(size - extra, rows, *work.shape[1:]))
            work, rows = padded, rows + 1
        result = torch.empty((rows, *source.shape[1:]), dtype=source.dtype)
        communicator.reduce_scatter(work, result, native(request.op))
        result = result[:mine]
        _scale(result, request.postscale)
        results.append(result)
    entry.results = results


_OTHERS: dict[str, Callable[[Communicator, Entry, Requests], None]] = {
    "allgather": _all_gather,
    "alltoall": _all_to_all,
    "reducescatter": _reduce_scatter,
}
register_backend(NAME, TorchBackend())
