"""Reduce-scatter, of one tensor and of groups. Results carry gradients where the inputs do."""

from collections.abc import Sequence
from typing import Any

import paddle

from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.paddle.compression import Compression, Compressor
from regatta.hvd.paddle.gather import grouped_allgather_async
from regatta.hvd.paddle.tensors import check, start, wanted, with_gradient
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Adasum, Average, Op, Sum
from regatta.hvd.wire import plain

__all__ = [
    "grouped_reducescatter",
    "grouped_reducescatter_async",
    "reducescatter",
    "reducescatter_async",
]


def _start(
    tensors: Sequence[paddle.Tensor],
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
    if any(len(source.shape) == 0 for source in sources):
        raise ValueError("reducescatter needs tensors with at least one dimension")
    operation = Average if op is None else Op(op)
    if operation == Adasum:
        raise NotImplementedError("reducescatter has no Adasum")
    return start(
        "reducescatter",
        name,
        sources,
        process_set,
        several=several,
        op=int(operation),
        prescale=float(prescale),
        postscale=float(postscale),
    )


def reducescatter_async(
    tensor: paddle.Tensor,
    name: str | None = None,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """Start to combine over all ranks; each gets its part of the rows, the first ones one more."""
    return _start([tensor], name, op, process_set, prescale_factor, postscale_factor, False)


def grouped_reducescatter_async(
    tensors: Sequence[paddle.Tensor],
    name: str | None = None,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> int:
    """As `reducescatter_async`, of several tensors together."""
    return _start(tensors, name, op, process_set, prescale_factor, postscale_factor, True)


class _ReduceScatter(paddle.autograd.PyLayer):
    @staticmethod
    def forward(
        context: Any, options: tuple[Any, ...], *tensors: paddle.Tensor
    ) -> tuple[paddle.Tensor, ...]:
        context.options = options
        context.needed = [not tensor.stop_gradient for tensor in tensors]
        return tuple(synchronize(grouped_reducescatter_async(tensors, *options)))

    @staticmethod
    def backward(context: Any, *gradients: paddle.Tensor) -> Any:
        _, op, process_set, prescale, postscale = context.options
        factor = prescale * postscale
        if op == Sum:
            # Horovod's convention: gradients of the ranks are averaged, so a sum weighs as many.
            factor *= process_set.size()
        scaled = [gradient * factor for gradient in gradients]
        rows = synchronize(grouped_allgather_async(scaled, process_set=process_set))
        return wanted(rows, context.needed)


def grouped_reducescatter(
    tensors: Sequence[paddle.Tensor],
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> list[paddle.Tensor]:
    """Combine several tensors over all ranks and return this rank's parts of their rows."""
    compression = plain(compression, "reducescatter")
    packed = [compression.compress(check(tensor, True)) for tensor in tensors]
    options = (name, op, process_set, prescale_factor, postscale_factor)
    small = [one for one, _ in packed]
    if with_gradient(small):
        results = _ReduceScatter.apply(options, *small)
    else:
        results = synchronize(grouped_reducescatter_async(small, *options))
    return [
        compression.decompress(result, context)
        for result, (_, context) in zip(results, packed, strict=True)
    ]


def reducescatter(
    tensor: paddle.Tensor,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> paddle.Tensor:
    """Combine over all ranks and return this rank's part of the rows."""
    return grouped_reducescatter(
        [tensor], name, compression, op, process_set, prescale_factor, postscale_factor
    )[0]
