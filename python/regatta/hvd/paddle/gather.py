"""All-gather, broadcast and all-to-all. Results carry gradients where the inputs do."""

from collections.abc import Sequence
from typing import Any

import paddle

from regatta.hvd import basics
from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.paddle.allreduce import allreduce_async, grouped_allreduce_async
from regatta.hvd.paddle.tensors import check, start, wanted, with_gradient
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Average

__all__ = [
    "allgather",
    "allgather_async",
    "alltoall",
    "alltoall_async",
    "broadcast",
    "broadcast_",
    "broadcast_async",
    "broadcast_async_",
    "grouped_allgather",
    "grouped_allgather_async",
]


def _with_rows(tensor: paddle.Tensor) -> paddle.Tensor:
    return tensor.reshape([1]) if len(tensor.shape) == 0 else tensor


def allgather_async(
    tensor: paddle.Tensor, name: str | None = None, process_set: ProcessSet = global_process_set
) -> int:
    """Start to collect all ranks' tensors along the first dimension, which may differ."""
    return start("allgather", name, [_with_rows(check(tensor, False))], process_set)


def grouped_allgather_async(
    tensors: Sequence[paddle.Tensor],
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `allgather_async`, of several tensors together."""
    sources = [_with_rows(check(tensor, False)) for tensor in tensors]
    if not sources:
        raise ValueError("an empty list of tensors was given")
    return start("allgather", name, sources, process_set, several=True)


class _AllGather(paddle.autograd.PyLayer):
    @staticmethod
    def forward(
        context: Any, name: str | None, process_set: ProcessSet, *tensors: paddle.Tensor
    ) -> tuple[paddle.Tensor, ...]:
        context.process_set = process_set
        context.shapes = [list(tensor.shape) for tensor in tensors]
        context.needed = [not tensor.stop_gradient for tensor in tensors]
        return tuple(synchronize(grouped_allgather_async(tensors, name, process_set)))

    @staticmethod
    def backward(context: Any, *gradients: paddle.Tensor) -> Any:
        process_set: ProcessSet = context.process_set
        sums = synchronize(grouped_allreduce_async(gradients, op=Average, process_set=process_set))
        # Where this rank's rows begin follows from the rows of those before it.
        rows = [shape[0] if shape else 1 for shape in context.shapes]
        everyones = synchronize(
            allgather_async(paddle.to_tensor([rows], dtype="int64"), process_set=process_set)
        )
        begins = everyones.numpy()[: process_set.rank()].sum(axis=0).tolist()
        parts = [
            total[begin : begin + count].reshape(shape)
            for total, begin, count, shape in zip(sums, begins, rows, context.shapes, strict=True)
        ]
        return wanted(parts, context.needed)


def allgather(
    tensor: paddle.Tensor, name: str | None = None, process_set: ProcessSet = global_process_set
) -> paddle.Tensor:
    """Collect all ranks' tensors along the first dimension, which may differ."""
    return grouped_allgather([tensor], name, process_set)[0]


def grouped_allgather(
    tensors: Sequence[paddle.Tensor],
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> list[paddle.Tensor]:
    """Collect several tensors of all ranks together."""
    sources = [check(tensor, False) for tensor in tensors]
    if with_gradient(sources):
        return list(_AllGather.apply(name, process_set, *sources))
    return synchronize(grouped_allgather_async(sources, name, process_set))


# --- broadcast ---


def _check_root(root_rank: int, process_set: ProcessSet) -> int:
    if not 0 <= root_rank < basics.size():
        raise ValueError(f"root_rank is {root_rank}; ranks go from 0 to {basics.size() - 1}")
    if process_set.ranks is not None and root_rank not in process_set.ranks:
        raise ValueError(f"root_rank is {root_rank}, which is not part of {process_set}")
    return root_rank


def broadcast_async(
    tensor: paddle.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to send ``tensor`` of ``root_rank`` (a rank of the job) to all."""
    root = _check_root(root_rank, process_set)
    return start("broadcast", name, [check(tensor, False)], process_set, root=root)


def broadcast_async_(
    tensor: paddle.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `broadcast_async`, into ``tensor`` itself."""
    root = _check_root(root_rank, process_set)
    return start("broadcast", name, [check(tensor, False)], process_set, True, root=root)


class _Broadcast(paddle.autograd.PyLayer):
    @staticmethod
    def forward(
        context: Any,
        tensor: paddle.Tensor,
        root_rank: int,
        name: str | None,
        process_set: ProcessSet,
    ) -> paddle.Tensor:
        context.root, context.process_set = root_rank, process_set
        return synchronize(broadcast_async(tensor, root_rank, name, process_set))

    @staticmethod
    def backward(context: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        total = synchronize(allreduce_async(gradient, op=Average, process_set=context.process_set))
        return total if basics.rank() == context.root else paddle.zeros_like(total)


def broadcast(
    tensor: paddle.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> paddle.Tensor:
    """Return ``tensor`` of ``root_rank``, a rank of the job."""
    if with_gradient([check(tensor, False)]):
        return _Broadcast.apply(tensor, root_rank, name, process_set)
    return synchronize(broadcast_async(tensor, root_rank, name, process_set))


def broadcast_(
    tensor: paddle.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> paddle.Tensor:
    """Overwrite ``tensor`` with that of ``root_rank``."""
    return synchronize(broadcast_async_(tensor, root_rank, name, process_set))


# --- all-to-all ---


def _row_counts(rows: int, splits: "paddle.Tensor | Sequence[int] | None", size: int) -> list[int]:
    if splits is None:
        if rows % size != 0:
            raise ValueError(f"{rows} rows cannot be split evenly over {size} ranks; give splits")
        return [rows // size] * size
    if isinstance(splits, paddle.Tensor):
        if splits.dtype not in (paddle.int32, paddle.int64):
            raise ValueError(f"splits are whole numbers (int32 or int64), not {splits.dtype}")
        splits = splits.tolist()
    counts = [int(count) for count in splits]
    if len(counts) != size or min(counts) < 0 or sum(counts) != rows:
        raise ValueError(f"splits {counts} do not fit {rows} rows and {size} ranks")
    return counts


def alltoall_async(
    tensor: paddle.Tensor,
    splits: "paddle.Tensor | Sequence[int] | None" = None,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to send ``splits[r]`` rows to the set's rank r; equal parts without ``splits``."""
    source = _with_rows(check(tensor, False))
    basics.number_of(process_set)
    counts = _row_counts(source.shape[0], splits, process_set.size() or 1)
    return start("alltoall", name, [source], process_set, splits=tuple(counts))


class _AllToAll(paddle.autograd.PyLayer):
    @staticmethod
    def forward(
        context: Any,
        tensor: paddle.Tensor,
        splits: Sequence[int] | None,
        name: str | None,
        process_set: ProcessSet,
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        result, received = synchronize(alltoall_async(tensor, splits, name, process_set))
        context.process_set, context.received = process_set, received.tolist()
        context.mark_non_differentiable(received)
        return result, received

    @staticmethod
    def backward(context: Any, gradient: paddle.Tensor, _: paddle.Tensor) -> paddle.Tensor:
        handle = alltoall_async(gradient, context.received, process_set=context.process_set)
        return synchronize(handle)[0]


def alltoall(
    tensor: paddle.Tensor,
    splits: "paddle.Tensor | Sequence[int] | None" = None,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> "paddle.Tensor | tuple[paddle.Tensor, paddle.Tensor]":
    """Exchange rows with all ranks; with ``splits`` also return how many came from each."""
    given = splits.tolist() if isinstance(splits, paddle.Tensor) else splits
    if with_gradient([check(tensor, False)]):
        result, received = _AllToAll.apply(tensor, given, name, process_set)
    else:
        result, received = synchronize(alltoall_async(tensor, splits, name, process_set))
    if splits is None:
        return result
    return result, received.astype(splits.dtype) if isinstance(splits, paddle.Tensor) else received
