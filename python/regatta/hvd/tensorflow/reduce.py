"""All-reduce and reduce-scatter, of one tensor and of groups; results carry gradients."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Adasum, Average, Op, Sum
from regatta.hvd.tensorflow.compression import Compression, Compressor
from regatta.hvd.tensorflow.gather import allgather, grouped_allgather
from regatta.hvd.tensorflow.tensors import check, collective, run
from regatta.hvd.wire import plain, wire_of

__all__ = ["allreduce", "grouped_allreduce", "grouped_reducescatter", "reducescatter"]

Name = str | Callable[[], str] | None


def _operation(average: bool | None, op: int | None) -> int:
    if average is not None and op is not None:
        raise ValueError("give either average or op, not both")
    if average is not None:
        warnings.warn("average is deprecated; use op", DeprecationWarning, stacklevel=4)
        return Average if average else Sum
    return Op(op) if op is not None else Average


def _reduce(
    sources: list[tf.Tensor],
    op: int,
    factors: tuple[float, float],
    name: Name,
    process_set: ProcessSet,
    compression: Any = None,
) -> list[tf.Tensor]:
    """Combine tensors as one operation."""

    @tf.custom_gradient
    def combine(*tensors: tf.Tensor) -> Any:
        def body(*arrays: np.ndarray) -> list[np.ndarray]:
            prescale, postscale = factors
            return collective(
                "allreduce",
                name() if callable(name) else name,
                arrays,
                process_set,
                compression,
                op=int(op),
                prescale=prescale,
                postscale=postscale,
            )

        kinds = [tensor.dtype for tensor in tensors]
        results = run(body, tensors, kinds, [tensor.shape for tensor in tensors])

        def back(*gradients: tf.Tensor) -> list[tf.Tensor]:
            return _reduce(list(gradients), op, factors, None, process_set)

        return tuple(results), back

    return list(combine(*sources))


def grouped_allreduce(
    tensors: Sequence[Any],
    average: bool | None = None,
    device_dense: str = "",
    device_sparse: str = "",
    compression: type[Compressor] = Compression.none,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    process_set: ProcessSet = global_process_set,
    ignore_name_scope: bool = False,
    name: Name = None,
) -> list[Any]:
    """Combine several tensors over all ranks as one operation; see `allreduce`.

    ``name`` may be a function that is called whenever the operation runs.
    """
    operation = _operation(average, op)
    if not tensors:
        return []
    results: list[Any] = [None] * len(tensors)
    dense, packed = [], []
    # What cannot be is refused where it is written, not when a graph runs.
    wire_of(compression, operation, [((1 << 20, 2), "float32")], name is not None)
    for index, tensor in enumerate(tensors):
        if isinstance(tensor, tf.IndexedSlices):
            given = f"{name}.{index}" if isinstance(name, str) else None
            results[index] = _reduce_slices(
                tensor, operation, prescale_factor * postscale_factor, given, process_set
            )
            continue
        source = check(tensor, True)
        if operation == Adasum and not source.dtype.is_floating:
            raise ValueError("Adasum needs floating-point tensors")
        dense.append(index)
        packed.append(compression.compress(source))
    if dense:
        factors = (float(prescale_factor), float(postscale_factor))
        small = [one for one, _ in packed]
        made = _reduce(small, operation, factors, name, process_set, compression)
        for index, result, (_, context) in zip(dense, made, packed, strict=True):
            results[index] = compression.decompress(result, context)
    return results


def allreduce(
    tensor: Any,
    average: bool | None = None,
    device_dense: str = "",
    device_sparse: str = "",
    compression: type[Compressor] = Compression.none,
    op: int | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
    ignore_name_scope: bool = False,
) -> Any:
    """Combine ``tensor`` over all ranks and return the result.

    Parameters
    ----------
    tensor : tf.Tensor, tf.Variable, tf.IndexedSlices
        Of slices, those of all ranks come side by side (Average and Sum only).
    average : bool, optional
        Deprecated: True for Average, False for Sum.
    op : Op, optional
        Average (default), Sum, Adasum, Min, Max or Product.
    prescale_factor, postscale_factor : float
        Multiplied in before and after; integers are scaled as doubles.
    name : str, optional
        The same on all ranks. Without one they are numbered, and the order has to be the same.
    compression : Compressor
        Those with error feedback (`regatta.hvd.wire`) need a ``name``, and only what is summed is
        compressed, not its derivatives.
    device_dense, device_sparse, ignore_name_scope
        For Horovod's sake: tensors are on the CPU, and scopes are not part of names.
    """
    return grouped_allreduce(
        [tensor],
        compression=compression,
        op=_operation(average, op),
        prescale_factor=prescale_factor,
        postscale_factor=postscale_factor,
        process_set=process_set,
        name=name,
    )[0]


def _reduce_slices(
    slices: tf.IndexedSlices, op: int, factor: float, name: str | None, process_set: ProcessSet
) -> tf.IndexedSlices:
    if op not in (Average, Sum):
        raise NotImplementedError("sparse tensors can be added or averaged only")
    labels = [f"{name}.{part}" if name is not None else None for part in ("values", "indices")]
    values = allgather(slices.values, labels[0], process_set=process_set)
    indices = allgather(slices.indices, labels[1], process_set=process_set)
    if op == Average:
        # Integers become floats, as any quotient in TensorFlow, and in Horovod.
        values = values / tf.cast(process_set.size() or 1, values.dtype)
    if factor != 1.0:
        exact = tf.cast(values, tf.float64) if values.dtype.is_integer else values
        values = tf.cast(exact * tf.cast(factor, exact.dtype), values.dtype)
    return tf.IndexedSlices(values, indices, slices.dense_shape)


# --- reduce-scatter ---


def _scatter(
    sources: list[tf.Tensor],
    op: int,
    factors: tuple[float, float],
    name: str | None,
    process_set: ProcessSet,
) -> list[tf.Tensor]:
    @tf.custom_gradient
    def combine(*tensors: tf.Tensor) -> Any:
        def body(*arrays: np.ndarray) -> list[np.ndarray]:
            prescale, postscale = factors
            return collective(
                "reducescatter",
                name,
                arrays,
                process_set,
                op=int(op),
                prescale=prescale,
                postscale=postscale,
            )

        shapes = [[None, *tensor.shape[1:]] for tensor in tensors]
        results = run(body, tensors, [tensor.dtype for tensor in tensors], shapes)

        def back(*gradients: tf.Tensor) -> list[tf.Tensor]:
            factor = factors[0] * factors[1]
            if op == Sum:
                # Horovod's convention: gradients of ranks are averaged, so a sum weighs as many.
                factor *= process_set.size() or 1
            scaled = [gradient * tf.cast(factor, gradient.dtype) for gradient in gradients]
            return grouped_allgather(scaled, process_set=process_set)

        return tuple(results), back

    return list(combine(*sources))


def grouped_reducescatter(
    tensors: Sequence[Any],
    device_dense: str = "",
    compression: type[Compressor] = Compression.none,
    op: int = Average,
    process_set: ProcessSet = global_process_set,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    name: str | None = None,
) -> list[tf.Tensor]:
    """Combine several tensors over all ranks and return this rank's parts of their rows."""
    operation = Op(op)
    if operation == Adasum:
        raise NotImplementedError("reducescatter has no Adasum")
    compression = plain(compression, "reducescatter")
    packed = [compression.compress(check(tensor, True)) for tensor in tensors]
    if any(one.shape.rank == 0 for one, _ in packed):
        raise ValueError("reducescatter needs tensors with at least one dimension")
    if not packed:
        return []
    factors = (float(prescale_factor), float(postscale_factor))
    results = _scatter([one for one, _ in packed], operation, factors, name, process_set)
    return [
        compression.decompress(result, context)
        for result, (_, context) in zip(results, packed, strict=True)
    ]


def reducescatter(
    tensor: Any,
    device_dense: str = "",
    compression: type[Compressor] = Compression.none,
    op: int = Average,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
    ignore_name_scope: bool = False,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
) -> tf.Tensor:
    """Combine over all ranks; each gets its part of the rows, the first ones one more."""
    return grouped_reducescatter(
        [tensor],
        compression=compression,
        op=op,
        process_set=process_set,
        prescale_factor=prescale_factor,
        postscale_factor=postscale_factor,
        name=name,
    )[0]
