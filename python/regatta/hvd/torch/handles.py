"""Hands tensors to the background thread, and results back by handle."""

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import torch

from regatta.hvd import basics
from regatta.hvd.entry import Entry
from regatta.hvd.errors import HorovodInternalError
from regatta.hvd.process_sets import ProcessSet
from regatta.hvd.requests import Request
from regatta.hvd.torch.execute import NAME

__all__ = ["check", "describe", "poll", "submit", "synchronize"]

_DTYPE_NAMES = {
    getattr(torch, name): name
    for name in (
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    )
}
_NUMBERS = frozenset(_DTYPE_NAMES) - {
    torch.bool,
    torch.int16,
    torch.complex64,
    torch.complex128,
}

_handles: dict[int, tuple[Entry, bool]] = {}
_lock = threading.Lock()
_next_handle = itertools.count(1)


def check(tensor: torch.Tensor, numbers: bool) -> torch.Tensor:
    """Return the tensor without its history, if it can be sent (or, with ``numbers``, reduced)."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"a torch.Tensor is needed, not {type(tensor).__name__}")
    if tensor.device.type != "cpu":
        raise ValueError(
            f"regatta.hvd.torch works on CPU tensors; this one is on {tensor.device}. "
            "Move it with .cpu() first"
        )
    if tensor.is_sparse:
        raise ValueError("sparse tensors need sparse_allreduce_async, or .to_dense()")
    if tensor.dtype not in (_NUMBERS if numbers else _DTYPE_NAMES):
        known = ", ".join(sorted(_DTYPE_NAMES[dtype] for dtype in _NUMBERS))
        raise ValueError(
            f"{tensor.dtype} cannot be reduced; possible are {known}"
            if numbers
            else f"{tensor.dtype} cannot be sent"
        )
    return tensor.detach()


def describe(tensors: Sequence[torch.Tensor]) -> list[tuple[tuple[int, ...], str]]:
    """Return shapes and types' names."""
    return [(tuple(tensor.shape), _DTYPE_NAMES[tensor.dtype]) for tensor in tensors]


def submit(
    kind: str,
    name: str | None,
    tensors: Sequence[torch.Tensor],
    outputs: list[torch.Tensor] | None,
    process_set: ProcessSet,
    several: bool = False,
    **attributes: Any,
) -> int:
    """Submit and return a handle; ``attributes`` are fields of `Request`."""
    number = basics.number_of(process_set)
    full, named = basics.name_of(kind, name, number)
    request = Request(
        full,
        kind,
        tuple([tuple(tensor.shape) for tensor in tensors]),
        tuple([_DTYPE_NAMES[tensor.dtype] for tensor in tensors]),
        process_set=number,
        backend=NAME,
        cacheable=named,
        **attributes,
    )
    entry = basics.engine().submit(Entry(request, list(tensors), outputs))
    handle = next(_next_handle)
    with _lock:
        _handles[handle] = (entry, several)
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
    torch.Tensor, list of them for a group, or for alltoall a pair (tensor, received splits)

    Raises
    ------
    HorovodInternalError
        When the operation failed, with the ranks and tensors concerned in the text.
    """
    with _lock:
        found = _handles.pop(handle, None)
    if found is None:
        raise ValueError(f"handle {handle} is unknown, or was synchronized before")
    entry, several = found
    if not entry.done():
        basics.wait(entry)
    if entry.error is not None:
        raise HorovodInternalError(str(entry.error)) from entry.error
    if entry.request.kind == "alltoall":
        return entry.results[0], entry.results[1]
    return list(entry.results) if several else entry.results[0]
