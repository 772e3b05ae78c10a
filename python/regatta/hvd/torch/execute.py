"""Runs what the ranks have agreed on, over libeccl. Called by the background thread only."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from regatta.eccl import Communicator, ReduceOp
from regatta.hvd.environment import Placement

if TYPE_CHECKING:
    from regatta.hvd.torch.engine import Entry
    from regatta.hvd.torch.requests import Request

__all__ = ["all_reduce", "byte_count", "may_fuse", "other"]


def byte_count(tensors: Sequence[torch.Tensor]) -> int:
    """Return the payload's size in bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def may_fuse(one: "Request", other: "Request") -> bool:
    """Tell whether two all-reduces can share a buffer."""
    return (one.op, one.prescale, one.postscale, set(one.dtypes)) == (
        other.op,
        other.prescale,
        other.postscale,
        set(other.dtypes),
    )


def _scale(tensor: torch.Tensor, factor: float) -> None:
    if factor != 1.0:
        tensor.mul_(factor) if tensor.is_floating_point() else tensor.copy_(tensor * factor)


def all_reduce(communicator: Communicator, entries: "list[Entry]") -> None:
    """Reduce the tensors of all entries, those of one type in one message."""
    request = entries[0].request
    flat = [(entry, index) for entry in entries for index in range(len(entry.inputs))]
    done: dict[tuple[int, int], torch.Tensor] = {}
    for dtype in sorted({entry.inputs[index].dtype for entry, index in flat}, key=str):
        members = [(entry, index) for entry, index in flat if entry.inputs[index].dtype == dtype]
        buffer = torch.cat([entry.inputs[index].reshape(-1) for entry, index in members])
        _scale(buffer, request.prescale)
        communicator.all_reduce(buffer, buffer, ReduceOp(request.op))
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


def _as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """View a contiguous tensor as bytes: moving data needs no number type."""
    return tensor.reshape(-1).view(torch.uint8)


def _row_bytes(request: "Request", element_size: int) -> int:
    return functools.reduce(lambda a, b: a * b, request.shapes[0][1:], 1) * element_size


def other(
    communicator: Communicator, entry: "Entry", requests: "list[Request]", placement: Placement
) -> None:
    """Perform one collective that is not an all-reduce; ``requests`` are all ranks', by rank."""
    {
        "allgather": _all_gather,
        "broadcast": _broadcast,
        "alltoall": _all_to_all,
        "reducescatter": _reduce_scatter,
        "barrier": lambda *_: None,
    }[entry.request.kind](communicator, entry, requests, placement)


def _all_gather(
    communicator: Communicator, entry: "Entry", requests: "list[Request]", placement: Placement
) -> None:
    mine = entry.inputs[0].contiguous()
    rows = [request.shapes[0][0] for request in requests]
    result = torch.empty((sum(rows), *mine.shape[1:]), dtype=mine.dtype)
    width = _row_bytes(requests[0], mine.element_size())
    communicator.all_gather(_as_bytes(mine), _as_bytes(result), [count * width for count in rows])
    entry.results = [result]


def _broadcast(
    communicator: Communicator, entry: "Entry", requests: "list[Request]", placement: Placement
) -> None:
    source = entry.inputs[0]
    result = source.detach().clone(memory_format=torch.contiguous_format)
    communicator.broadcast(_as_bytes(result), entry.request.root)
    if entry.outputs is not None:
        entry.outputs[0].copy_(result)
        result = entry.outputs[0]
    entry.results = [result]


def _all_to_all(
    communicator: Communicator, entry: "Entry", requests: "list[Request]", placement: Placement
) -> None:
    mine = entry.inputs[0].contiguous()
    width = _row_bytes(entry.request, mine.element_size())
    received = [request.splits[placement.rank] for request in requests]
    result = torch.empty((sum(received), *mine.shape[1:]), dtype=mine.dtype)
    communicator.all_to_all(
        _as_bytes(mine),
        [count * width for count in entry.request.splits],
        _as_bytes(result),
        [count * width for count in received],
    )
    entry.results = [result, torch.tensor(received, dtype=torch.int32)]


def _reduce_scatter(
    communicator: Communicator, entry: "Entry", requests: "list[Request]", placement: Placement
) -> None:
    request = entry.request
    work = entry.inputs[0].detach().clone(memory_format=torch.contiguous_format)
    _scale(work, request.prescale)
    rows, extra = divmod(work.shape[0], placement.size)
    if extra == 0:
        result = torch.empty((rows, *work.shape[1:]), dtype=work.dtype)
        communicator.reduce_scatter(work, result, ReduceOp(request.op))
    else:
        # Parts of unequal length (the first ranks get one row more): libeccl has equal parts only.
        communicator.all_reduce(work, work, ReduceOp(request.op))
        begin = placement.rank * rows + min(placement.rank, extra)
        result = work[begin : begin + rows + (1 if placement.rank < extra else 0)].clone()
    _scale(result, request.postscale)
    entry.results = [result]
