"""Reduce-scatter, of one tensor and of groups. Results carry gradients where the inputs do."""

from collections.abc import Sequence
from typing import Any

import torch

from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Adasum, Average, Op, Sum
from regatta.hvd.torch.compression import Compression, Compressor
from regatta.hvd.torch.gather import grouped_allgather_async
from regatta.hvd.torch.handles import check, submit, synchronize
from regatta.hvd.wire import plain

__all__ = [
    "grouped_reducescatter",
    "grouped_reducescatter_async",
    "reducescatter",
    "reducescatter_async",
]


def _start(
    tensors: Sequence[torch.Tensor],
    name: str | None,
    op: int | None,
    process_set: ProcessSet,
    prescale: float,
    postscale: float,
    several: bool,
) -> int:
    sources = [check(tensor, True) for tensor in tensors]
    if not sources:
        raise ValueError("an empty list of tensors was given")
    if any(source.dim() == 0 for source in sources):
        raise ValueError("reducescatter needs tensors with at least one dimension")
    operation = Average if op is None else Op(op)
    if operation == Adasum:
        raise NotImplementedError("reducescatter has no Adasum")
    return submit(
        "reducescatter",
        name,
        sources,
        None,
        process_set,
        several,
        op=int(operation),
        prescale=float(prescale),
        postscale=float(postscale),
    )


def reducescatter_async(
    tensor: torch.Tensor,
    name: str | None = None,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """Start to combine over all ranks; each gets its part of the rows, the first ones one more."""
    return _start([tensor], name, op, process_set, prescale_factor, postscale_factor, False)


def grouped_reducescatter_async(
    tensors: Sequence[torch.Tensor],
    name: str | None = None,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """As `reducescatter_async`, of several tensors together."""
    return _start(tensors, name, op, process_set, prescale_factor, postscale_factor, True)


class _ReduceScatter(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, options: tuple[Any, ...], *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        context.options = options
        return tuple(synchronize(grouped_reducescatter_async(tensors, *options)))

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        _, op, process_set, prescale, postscale = context.options
        factor = prescale * postscale
        if op == Sum:
            # Horovod's convention: gradients of the ranks are averaged, so a sum weighs as many.
            factor *= process_set.size()
        scaled = [gradient * factor for gradient in gradients]
        return None, *synchronize(grouped_allgather_async(scaled, process_set=process_set))


def grouped_reducescatter(
    tensors: Sequence[torch.Tensor],
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> list[torch.Tensor]:
    """Combine several tensors over all ranks and return this rank's parts of their rows."""
    compression = plain(compression, "reducescatter")
    packed = [compression.compress(tensor) for tensor in tensors]
    options = (name, op, process_set, prescale_factor, postscale_factor)
    results = _ReduceScatter.apply(options, *[small for small, _ in packed])
    return [
        compression.decompress(result, context)
        for result, (_, context) in zip(results, packed, strict=True)
    ]


def reducescatter(
    tensor: torch.Tensor,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> torch.Tensor:
    """Combine over all ranks and return this rank's part of the rows."""
    return grouped_reducescatter(
        [tensor], name, compression, op, process_set, prescale_factor, postscale_factor
    )[0]
