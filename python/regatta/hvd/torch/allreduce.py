"""All-reduce, of one tensor and of groups. Results carry gradients where the inputs do."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch

from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Adasum, Average, Op, Sum
from regatta.hvd.torch.compression import Compression, Compressor
from regatta.hvd.torch.handles import check, describe, submit, synchronize
from regatta.hvd.wire import wire_of

__all__ = [
    "allreduce",
    "allreduce_",
    "allreduce_async",
    "allreduce_async_",
    "grouped_allreduce",
    "grouped_allreduce_",
    "grouped_allreduce_async",
    "grouped_allreduce_async_",
    "start",
]


def _operation(average: bool | None, op: int | None) -> int:
    if average is not None and op is not None:
        raise ValueError("give either average or op, not both")
    if average is not None:
        warnings.warn("average is deprecated; use op", DeprecationWarning, stacklevel=4)
        return Average if average else Sum
    return Op(op) if op is not None else Average


def start(
    tensors: Sequence[torch.Tensor],
    name: str | None,
    average: bool | None,
    op: int | None,
    prescale: float,
    postscale: float,
    process_set: ProcessSet,
    in_place: bool,
    several: bool,
    priority: int = 0,
    compression: Any = None,
) -> int:
    """Start an all-reduce of one tensor or ``several``; higher priorities go first.

    Of ``compression`` that which libeccl does is used; the tensors are as they should travel.
    """
    sources = [check(tensor, True) for tensor in tensors]
    if not sources:
        raise ValueError("an empty list of tensors was given")
    operation = _operation(average, op)
    if operation == Adasum and not all(source.is_floating_point() for source in sources):
        raise ValueError("Adasum needs floating-point tensors")
    return submit(
        "allreduce",
        name,
        sources,
        sources if in_place else None,
        process_set,
        several,
        op=int(operation),
        prescale=float(prescale),
        postscale=float(postscale),
        priority=priority,
        wire=wire_of(compression, operation, describe(sources), name is not None),
    )


def allreduce_async(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to combine ``tensor`` over all ranks (Average unless ``op`` says otherwise)."""
    factors = (prescale_factor, postscale_factor)
    return start([tensor], name, average, op, *factors, process_set, False, False)


def allreduce_async_(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `allreduce_async`, into ``tensor`` itself."""
    factors = (prescale_factor, postscale_factor)
    return start([tensor], name, average, op, *factors, process_set, True, False)


def _run(
    tensors: Sequence[torch.Tensor], options: tuple[Any, ...], several: bool, compression: Any
) -> Any:
    average, name, *others = options
    handle = start(tensors, name, average, *others, False, several, compression=compression)
    return synchronize(handle)


class _AllReduce(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, tensor: torch.Tensor, options: tuple[Any, ...], compression: Any
    ) -> torch.Tensor:
        context.options = options
        return _run([tensor], options, False, compression)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        average, _, *others = context.options
        return synchronize(allreduce_async(gradient, average, None, *others)), None, None


def allreduce(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> torch.Tensor:
    """Combine ``tensor`` over all ranks and return the result.

    Parameters
    ----------
    average : bool, optional
        Deprecated: True for Average, False for Sum.
    name : str, optional
        The same on all ranks. Without one they are numbered, and the order has to be the same.
    op : Op, optional
        Average (default), Sum, Adasum, Min, Max or Product.
    prescale_factor, postscale_factor : float
        Multiplied in before and after; integers are scaled as doubles.
    compression : Compressor
        Those with error feedback (`regatta.hvd.wire`) need a ``name``, and only what is summed is
        compressed, not its derivatives.
    """
    small, context = compression.compress(tensor)
    options = (average, name, op, prescale_factor, postscale_factor, process_set)
    if small.requires_grad and torch.is_grad_enabled():
        result = _AllReduce.apply(small, options, compression)
    else:
        result = _run([small], options, False, compression)
    return compression.decompress(result, context)


def allreduce_(
    tensor: torch.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> torch.Tensor:
    """Combine over all ranks in place."""
    factors = (prescale_factor, postscale_factor)
    synchronize(allreduce_async_(tensor, average, name, op, *factors, process_set))
    return tensor


def grouped_allreduce_async(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to combine several tensors together, as one operation."""
    factors = (prescale_factor, postscale_factor)
    return start(tensors, name, average, op, *factors, process_set, False, True)


def grouped_allreduce_async_(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `grouped_allreduce_async`, in place."""
    factors = (prescale_factor, postscale_factor)
    return start(tensors, name, average, op, *factors, process_set, True, True)


class _GroupedAllReduce(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, options: tuple[Any, ...], compression: Any, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        context.options = options
        return tuple(_run(tensors, options, True, compression))

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        average, _, *others = context.options
        return None, None, *synchronize(grouped_allreduce_async(gradients, average, None, *others))


def grouped_allreduce(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> list[torch.Tensor]:
    """Combine several tensors together and return the results."""
    packed = [compression.compress(tensor) for tensor in tensors]
    options = (average, name, op, prescale_factor, postscale_factor, process_set)
    results = _GroupedAllReduce.apply(options, compression, *[small for small, _ in packed])
    return [
        compression.decompress(result, context)
        for result, (_, context) in zip(results, packed, strict=True)
    ]


def grouped_allreduce_(
    tensors: Sequence[torch.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> list[torch.Tensor]:
    """Combine several tensors together in place."""
    factors = (prescale_factor, postscale_factor)
    synchronize(grouped_allreduce_async_(tensors, average, name, op, *factors, process_set))
    return list(tensors)
