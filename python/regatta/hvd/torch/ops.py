"""The collectives, as Horovod names them.

Each ``x`` waits, ``x_async`` returns a handle for `synchronize`, a trailing ``_`` means in place.
Every rank submits the same names, in any order; a name that is left out is made from a counter, and
then the order has to be the same. Results carry no gradient.
"""

import itertools
import threading
from collections.abc import Sequence

import torch

from regatta.eccl import ReduceOp
from regatta.hvd.torch import basics
from regatta.hvd.torch.compression import Compression, Compressor
from regatta.hvd.torch.engine import Entry
from regatta.hvd.torch.errors import HorovodInternalError
from regatta.hvd.torch.requests import Request

__all__ = [
    "Average",
    "Max",
    "Min",
    "Product",
    "Sum",
    "allgather",
    "allgather_async",
    "allreduce",
    "allreduce_",
    "allreduce_async",
    "allreduce_async_",
    "alltoall",
    "alltoall_async",
    "barrier",
    "broadcast",
    "broadcast_",
    "broadcast_async",
    "broadcast_async_",
    "grouped_allreduce",
    "grouped_allreduce_",
    "grouped_allreduce_async",
    "grouped_allreduce_async_",
    "poll",
    "reducescatter",
    "reducescatter_async",
    "synchronize",
]

Average = ReduceOp.AVG
Sum = ReduceOp.SUM
Min = ReduceOp.MIN
Max = ReduceOp.MAX
Product = ReduceOp.PROD

_lock = threading.Lock()
_counters: dict[str, "itertools.count[int]"] = {}
_handles: dict[int, tuple[Entry, bool]] = {}
_next_handle = itertools.count(1)


def _name(kind: str, name: str | None) -> str:
    if name is not None:
        return f"{kind}.{name}"
    with _lock:
        return f"{kind}.noname.{next(_counters.setdefault(kind, itertools.count(1)))}"


def forget_names() -> None:
    """Start the counters of unnamed tensors again: a new job begins."""
    with _lock:
        _counters.clear()


def _check(tensor: torch.Tensor, numbers: bool) -> torch.Tensor:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"a torch.Tensor is needed, not {type(tensor).__name__}")
    if tensor.device.type != "cpu":
        raise ValueError(
            f"regatta.hvd.torch works on CPU tensors; this one is on {tensor.device}. "
            "Move it with .cpu() first"
        )
    if tensor.is_sparse:
        raise ValueError("sparse tensors are not supported; use .to_dense()")
    known = (
        torch.uint8,
        torch.int8,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
    )
    if numbers and tensor.dtype not in known:
        raise ValueError(
            f"{tensor.dtype} cannot be reduced; possible are "
            + ", ".join(str(dtype) for dtype in known)
        )
    return tensor.detach()


def _submit(
    kind: str,
    name: str | None,
    tensors: Sequence[torch.Tensor],
    outputs: list[torch.Tensor] | None,
    several: bool = False,
    **attributes: object,
) -> int:
    request = Request(
        _name(kind, name),
        kind,
        tuple(tuple(tensor.shape) for tensor in tensors),
        tuple(str(tensor.dtype).removeprefix("torch.") for tensor in tensors),
        **attributes,
    )  # type: ignore[arg-type]
    entry = basics.engine().submit(Entry(request, list(tensors), outputs))
    with _lock:
        handle = next(_next_handle)
        _handles[handle] = (entry, several)
    return handle


def poll(handle: int) -> bool:
    """Tell whether `synchronize` would return at once."""
    with _lock:
        found = _handles.get(handle)
    if found is None:
        raise ValueError(f"handle {handle} is unknown, or was synchronized before")
    return found[0].done.is_set()


def synchronize(handle: int) -> "torch.Tensor | list[torch.Tensor] | tuple[torch.Tensor, ...]":
    """Wait for an asynchronous operation and return its result, once.

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
    entry.done.wait()
    if entry.error is not None:
        raise HorovodInternalError(str(entry.error)) from entry.error
    if entry.request.kind == "alltoall":
        return entry.results[0], entry.results[1]
    return entry.results if several else entry.results[0]


def _one(handle: int) -> torch.Tensor:
    result = synchronize(handle)
    assert isinstance(result, torch.Tensor)
    return result


def _many(handle: int) -> list[torch.Tensor]:
    result = synchronize(handle)
    assert isinstance(result, list)
    return result


def _operation(average: bool | None, op: ReduceOp | None) -> int:
    if average is not None and op is not None:
        raise ValueError("give either average or op, not both")
    if op is not None:
        return int(op)
    return int(Sum if average is False else Average)


# --- all-reduce ---


def allreduce_async(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """Start to combine ``tensor`` over all ranks (Average unless ``op`` says otherwise)."""
    source = _check(tensor, True)
    return _submit(
        "allreduce",
        name,
        [source],
        None,
        op=_operation(average, op),
        prescale=float(prescale_factor),
        postscale=float(postscale_factor),
    )


def allreduce_async_(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """As `allreduce_async`, into ``tensor`` itself."""
    source = _check(tensor, True)
    return _submit(
        "allreduce",
        name,
        [source],
        [source],
        op=_operation(average, op),
        prescale=float(prescale_factor),
        postscale=float(postscale_factor),
    )


def allreduce(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> torch.Tensor:
    """Combine ``tensor`` over all ranks and return the result."""
    small, context = compression.compress(tensor)
    handle = allreduce_async(small, average, name, op, prescale_factor, postscale_factor)
    return compression.decompress(_one(handle), context)


def allreduce_(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> torch.Tensor:
    """Combine over all ranks in place."""
    _one(allreduce_async_(tensor, average, name, op, prescale_factor, postscale_factor))
    return tensor


def grouped_allreduce_async(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """Start to combine several tensors together, as one operation."""
    sources = [_check(tensor, True) for tensor in tensors]
    if not sources:
        raise ValueError("an empty list of tensors was given")
    return _submit(
        "allreduce",
        name,
        sources,
        None,
        True,
        op=_operation(average, op),
        prescale=float(prescale_factor),
        postscale=float(postscale_factor),
    )


def grouped_allreduce_async_(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """As `grouped_allreduce_async`, in place."""
    sources = [_check(tensor, True) for tensor in tensors]
    if not sources:
        raise ValueError("an empty list of tensors was given")
    return _submit(
        "allreduce",
        name,
        sources,
        sources,
        True,
        op=_operation(average, op),
        prescale=float(prescale_factor),
        postscale=float(postscale_factor),
    )


def grouped_allreduce(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> list[torch.Tensor]:
    """Combine several tensors together and return the results."""
    packed = [compression.compress(tensor) for tensor in tensors]
    results = _many(
        grouped_allreduce_async(
            [small for small, _ in packed], average, name, op, prescale_factor, postscale_factor
        )
    )
    return [
        compression.decompress(result, context)
        for result, (_, context) in zip(results, packed, strict=True)
    ]


def grouped_allreduce_(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> list[torch.Tensor]:
    """Combine several tensors together in place."""
    _many(grouped_allreduce_async_(tensors, average, name, op, prescale_factor, postscale_factor))
    return list(tensors)


# --- the others ---


def _with_rows(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(1) if tensor.dim() == 0 else tensor


def allgather_async(tensor: torch.Tensor, name: str | None = None) -> int:
    """Start to collect all ranks' tensors along the first dimension, which may differ."""
    return _submit("allgather", name, [_with_rows(_check(tensor, False))], None)


def allgather(tensor: torch.Tensor, name: str | None = None) -> torch.Tensor:
    """Collect all ranks' tensors along the first dimension, which may differ."""
    return _one(allgather_async(tensor, name))


def _check_root(root_rank: int) -> int:
    if not 0 <= root_rank < basics.size():
        raise ValueError(f"root_rank is {root_rank}; ranks go from 0 to {basics.size() - 1}")
    return root_rank


def broadcast_async(tensor: torch.Tensor, root_rank: int, name: str | None = None) -> int:
    """Start to send ``tensor`` of ``root_rank`` to all."""
    return _submit("broadcast", name, [_check(tensor, False)], None, root=_check_root(root_rank))


def broadcast_async_(tensor: torch.Tensor, root_rank: int, name: str | None = None) -> int:
    """As `broadcast_async`, into ``tensor`` itself."""
    source = _check(tensor, False)
    return _submit("broadcast", name, [source], [source], root=_check_root(root_rank))


def broadcast(tensor: torch.Tensor, root_rank: int, name: str | None = None) -> torch.Tensor:
    """Return ``tensor`` of ``root_rank``."""
    return _one(broadcast_async(tensor, root_rank, name))


def broadcast_(tensor: torch.Tensor, root_rank: int, name: str | None = None) -> torch.Tensor:
    """Overwrite ``tensor`` with that of ``root_rank``."""
    _one(broadcast_async_(tensor, root_rank, name))
    return tensor


def alltoall_async(
    tensor: torch.Tensor,
    splits: "torch.Tensor | Sequence[int] | None" = None,
    name: str | None = None,
) -> int:
    """Start to send ``splits[r]`` rows to rank r; equal parts without ``splits``."""
    source = _with_rows(_check(tensor, False))
    size = basics.size()
    if splits is None:
        if source.shape[0] % size != 0:
            raise ValueError(
                f"{source.shape[0]} rows cannot be split evenly over {size} ranks; give splits"
            )
        rows = [source.shape[0] // size] * size
    else:
        rows = [int(count) for count in splits]
        if len(rows) != size or min(rows) < 0 or sum(rows) != source.shape[0]:
            raise ValueError(f"splits {rows} do not fit {source.shape[0]} rows and {size} ranks")
    return _submit("alltoall", name, [source], None, splits=tuple(rows))


def alltoall(
    tensor: torch.Tensor,
    splits: "torch.Tensor | Sequence[int] | None" = None,
    name: str | None = None,
) -> "torch.Tensor | tuple[torch.Tensor, torch.Tensor]":
    """Exchange rows with all ranks; with ``splits`` also return how many came from each."""
    result = synchronize(alltoall_async(tensor, splits, name))
    assert isinstance(result, tuple)
    return result[0] if splits is None else (result[0], result[1])


def reducescatter_async(
    tensor: torch.Tensor,
    name: str | None = None,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """Start to combine over all ranks; each gets its part of the rows, the first ones one more."""
    source = _check(tensor, True)
    if source.dim() == 0:
        raise ValueError("reducescatter needs a tensor with at least one dimension")
    return _submit(
        "reducescatter",
        name,
        [source],
        None,
        op=_operation(None, op),
        prescale=float(prescale_factor),
        postscale=float(postscale_factor),
    )


def reducescatter(
    tensor: torch.Tensor,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: ReduceOp | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> torch.Tensor:
    """Combine over all ranks and return this rank's part of the rows."""
    small, context = compression.compress(tensor)
    result = _one(reducescatter_async(small, name, op, prescale_factor, postscale_factor))
    return compression.decompress(result, context)


def barrier() -> None:
    """Wait until all ranks have come here."""
    entry = basics.engine().submit(Entry(Request(_name("barrier", None), "barrier"), []))
    entry.done.wait()
    if entry.error is not None:
        raise HorovodInternalError(str(entry.error)) from entry.error
