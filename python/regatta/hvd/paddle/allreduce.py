"""All-reduce, of one tensor and of groups. Results carry gradients where the inputs do."""

import warnings
from collections.abc import Sequence
from typing import Any

import paddle

from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.paddle.compression import Compression, Compressor
from regatta.hvd.paddle.tensors import check, dtype_name, start, wanted, with_gradient
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Adasum, Average, Op, Sum
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
    "submit_allreduce",
]


def _operation(average: bool | None, op: int | None) -> int:
    if average is not None and op is not None:
        raise ValueError("give either average or op, not both")
    if average is not None:
        warnings.warn("average is deprecated; use op", DeprecationWarning, stacklevel=4)
        return Average if average else Sum
    return Op(op) if op is not None else Average


def submit_allreduce(
    tensors: Sequence[paddle.Tensor],
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
    shapes = [(tuple(source.shape), dtype_name(source)) for source in sources]
    return start(
        "allreduce",
        name,
        sources,
        process_set,
        in_place,
        several,
        op=int(operation),
        prescale=float(prescale),
        postscale=float(postscale),
        priority=priority,
        wire=wire_of(compression, operation, shapes, name is not None),
    )


def allreduce_async(
    tensor: paddle.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to combine ``tensor`` over all ranks (Average unless ``op`` says otherwise)."""
    factors = (prescale_factor, postscale_factor)
    return submit_allreduce([tensor], name, average, op, *factors, process_set, False, False)


def allreduce_async_(
    tensor: paddle.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `allreduce_async`, into ``tensor`` itself."""
    factors = (prescale_factor, postscale_factor)
    return submit_allreduce([tensor], name, average, op, *factors, process_set, True, False)


def _run(
    tensors: Sequence[paddle.Tensor], options: tuple[Any, ...], several: bool, compression: Any
) -> Any:
    average, name, *others = options
    both = (False, several)  # not in place
    handle = submit_allreduce(tensors, name, average, *others, *both, compression=compression)
    return synchronize(handle)


class _AllReduce(paddle.autograd.PyLayer):
    @staticmethod
    def forward(
        context: Any, options: tuple[Any, ...], compression: Any, *tensors: paddle.Tensor
    ) -> tuple[paddle.Tensor, ...]:
        context.options = options
        context.needed = [not tensor.stop_gradient for tensor in tensors]
        return tuple(_run(tensors, options, True, compression))

    @staticmethod
    def backward(context: Any, *gradients: paddle.Tensor) -> Any:
        average, _, *others = context.options
        sums = synchronize(grouped_allreduce_async(gradients, average, None, *others))
        return wanted(sums, context.needed)


def allreduce(
    tensor: paddle.Tensor,
    average: bool | None = None,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> paddle.Tensor:
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
    small, context = compression.compress(check(tensor, True))
    options = (average, name, op, prescale_factor, postscale_factor, process_set)
    if with_gradient([small]):
        result = _AllReduce.apply(options, compression, small)[0]
    else:
        result = _run([small], options, False, compression)
    return compression.decompress(result, context)


def allreduce_(
    tensor: paddle.Tensor,
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> paddle.Tensor:
    """Combine over all ranks in place."""
    factors = (prescale_factor, postscale_factor)
    return synchronize(allreduce_async_(tensor, average, name, op, *factors, process_set))


def grouped_allreduce_async(
    tensors: Sequence[paddle.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to combine several tensors together, as one operation."""
    factors = (prescale_factor, postscale_factor)
    return submit_allreduce(tensors, name, average, op, *factors, process_set, False, True)


def grouped_allreduce_async_(
    tensors: Sequence[paddle.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `grouped_allreduce_async`, in place."""
    factors = (prescale_factor, postscale_factor)
    return submit_allreduce(tensors, name, average, op, *factors, process_set, True, True)


def grouped_allreduce(
    tensors: Sequence[paddle.Tensor],
    average: bool | None = None,
    name: str | None = None,
    compression: type[Compressor] = Compression.none,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> list[paddle.Tensor]:
    """Combine several tensors together and return the results."""
    packed = [compression.compress(check(tensor, True)) for tensor in tensors]
    options = (average, name, op, prescale_factor, postscale_factor, process_set)
    small = [one for one, _ in packed]
    if with_gradient(small):
        results = _AllReduce.apply(options, compression, *small)
    else:
        results = _run(small, options, True, compression)
    return [
        compression.decompress(result, context)
        for result, (_, context) in zip(results, packed, strict=True)
    ]


def grouped_allreduce_(
    tensors: Sequence[paddle.Tensor],
    average: bool | None = None,
    name: str | None = None,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
) -> list[paddle.Tensor]:
    """Combine several tensors together in place."""
    factors = (prescale_factor, postscale_factor)
    return synchronize(grouped_allreduce_async_(tensors, average, name, op, *factors, process_set))
