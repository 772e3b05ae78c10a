"""All-gather, broadcast and all-to-all; results carry gradients."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from regatta.hvd import basics
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Average
from regatta.hvd.tensorflow.tensors import check, collective, run

__all__ = ["allgather", "alltoall", "broadcast", "broadcast_", "grouped_allgather"]


def _average(tensors: Sequence[tf.Tensor], process_set: ProcessSet) -> list[tf.Tensor]:
    def body(*arrays: np.ndarray) -> list[np.ndarray]:
        return collective("allreduce", None, arrays, process_set, op=int(Average))

    kinds = [tensor.dtype for tensor in tensors]
    return run(body, tensors, kinds, [tensor.shape for tensor in tensors])


def grouped_allgather(
    tensors: Sequence[Any],
    name: str | None = None,
    ignore_name_scope: bool = False,
    process_set: ProcessSet = global_process_set,
) -> list[tf.Tensor]:
    """Collect several tensors of all ranks along the first dimension, as one operation."""
    sources = [check(tensor, False) for tensor in tensors]
    sources = [tf.reshape(one, [1]) if one.shape.rank == 0 else one for one in sources]
    if not sources:
        return []

    @tf.custom_gradient
    def collect(*parts: tf.Tensor) -> Any:
        def body(*arrays: np.ndarray) -> list[np.ndarray]:
            return collective("allgather", name, arrays, process_set)

        shapes = [[None, *part.shape[1:]] for part in parts]
        results = run(body, parts, [part.dtype for part in parts], shapes)

        def back(*gradients: tf.Tensor) -> list[tf.Tensor]:
            totals = _average(gradients, process_set)
            rows = tf.stack([tf.shape(part, tf.int64)[0] for part in parts])

            # Where this rank's rows begin follows from the rows of those before it.
            def before(mine: np.ndarray) -> list[np.ndarray]:
                everyones = collective("allgather", None, [mine[None]], process_set)[0]
                return [everyones[: process_set.rank()].sum(axis=0)]

            (begins,) = run(before, [rows], [tf.int64], [[len(parts)]])
            return [
                tf.reshape(total[begins[i] : begins[i] + rows[i]], tf.shape(part))
                for i, (total, part) in enumerate(zip(totals, parts, strict=True))
            ]

        return tuple(results), back

    return list(collect(*sources))


def allgather(
    tensor: Any,
    name: str | None = None,
    ignore_name_scope: bool = False,
    process_set: ProcessSet = global_process_set,
) -> tf.Tensor:
    """Collect all ranks' tensors along the first dimension, which may differ."""
    return grouped_allgather([tensor], name, process_set=process_set)[0]


# --- broadcast ---


def _check_root(root_rank: int, process_set: ProcessSet) -> int:
    if not 0 <= root_rank < basics.size():
        raise ValueError(f"root_rank is {root_rank}; ranks go from 0 to {basics.size() - 1}")
    if process_set.ranks is not None and root_rank not in process_set.ranks:
        raise ValueError(f"root_rank is {root_rank}, which is not part of {process_set}")
    return root_rank


def broadcast(
    tensor: Any,
    root_rank: int,
    name: str | None = None,
    ignore_name_scope: bool = False,
    process_set: ProcessSet = global_process_set,
) -> tf.Tensor:
    """Return ``tensor`` of ``root_rank``, a rank of the job."""
    root = _check_root(root_rank, process_set)

    @tf.custom_gradient
    def send(source: tf.Tensor) -> Any:
        def body(array: np.ndarray) -> list[np.ndarray]:
            return collective("broadcast", name, [array], process_set, root=root)

        (result,) = run(body, [source], [source.dtype], [source.shape])

        def back(gradient: tf.Tensor) -> tf.Tensor:
            (total,) = _average([gradient], process_set)
            return total if basics.rank() == root else tf.zeros_like(total)

        return result, back

    return send(check(tensor, False))


def broadcast_(
    variables: Iterable[tf.Variable],
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> list[tf.Variable]:
    """Overwrite variables with those of ``root_rank``."""
    listed = list(variables)
    for index, variable in enumerate(listed):
        label = f"{name}.{index}" if name is not None else None
        variable.assign(broadcast(variable, root_rank, label, process_set=process_set))
    return listed


# --- all-to-all ---


def _row_counts(rows: int, splits: np.ndarray, size: int) -> tuple[int, ...]:
    if splits.size == 0:
        if rows % size != 0:
            raise ValueError(f"{rows} rows cannot be split evenly over {size} ranks; give splits")
        return (rows // size,) * size
    counts = tuple(int(count) for count in splits)
    if len(counts) != size or min(counts) < 0 or sum(counts) != rows:
        raise ValueError(f"splits {list(counts)} do not fit {rows} rows and {size} ranks")
    return counts


def alltoall(
    tensor: Any,
    splits: Any = None,
    name: str | None = None,
    ignore_name_scope: bool = False,
    process_set: ProcessSet = global_process_set,
) -> "tf.Tensor | tuple[tf.Tensor, tf.Tensor]":
    """Send ``splits[r]`` rows to the set's rank r; equal parts without ``splits``.

    Returns
    -------
    tensor, or with ``splits`` a pair: the rows received, and how many came from each rank
    """
    basics.number_of(process_set)

    def exchange(source: tf.Tensor, wanted: tf.Tensor, label: str | None) -> list[tf.Tensor]:
        def body(array: np.ndarray, given: np.ndarray) -> list[np.ndarray]:
            counts = _row_counts(array.shape[0], np.asarray(given), process_set.size() or 1)
            return collective("alltoall", label, [array], process_set, splits=counts)

        shapes = [[None, *source.shape[1:]], [None]]
        return run(body, [source, wanted], [source.dtype, tf.int32], shapes)

    @tf.custom_gradient
    def turn(source: tf.Tensor) -> Any:
        result, received = exchange(source, counts, name)

        def back(gradient: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return exchange(gradient, received, None)[0]

        return (result, received), back

    source = check(tensor, False)
    source = tf.reshape(source, [1]) if source.shape.rank == 0 else source
    counts = tf.zeros([0], tf.int32) if splits is None else tf.cast(splits, tf.int32)
    result, received = turn(source)
    return result if splits is None else (result, received)
