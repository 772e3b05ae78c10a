"""All-gather, broadcast and all-to-all. Results carry gradients where the inputs do."""

from collections.abc import Sequence
from typing import Any

import torch

from regatta.hvd import basics
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Average
from regatta.hvd.torch.allreduce import allreduce_async, grouped_allreduce_async
from regatta.hvd.torch.handles import check, submit, synchronize

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


def _with_rows(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(1) if tensor.dim() == 0 else tensor


def allgather_async(
    tensor: torch.Tensor, name: str | None = None, process_set: ProcessSet = global_process_set
) -> int:
    """Start to collect all ranks' tensors along the first dimension, which may differ."""
    source = _with_rows(check(tensor, False))
    return submit("allgather", name, [source], None, process_set)


def grouped_allgather_async(
    tensors: Sequence[torch.Tensor],
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `allgather_async`, of several tensors together."""
    sources = [_with_rows(check(tensor, False)) for tensor in tensors]
    if not sources:
        raise ValueError("an empty list of tensors was given")
    return submit("allgather", name, sources, None, process_set, True)


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, name: str | None, process_set: ProcessSet, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        context.process_set = process_set
        context.shapes = [tensor.shape for tensor in tensors]
        return tuple(synchronize(grouped_allgather_async(tensors, name, process_set)))

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        process_set: ProcessSet = context.process_set
        sums = synchronize(grouped_allreduce_async(gradients, op=Average, process_set=process_set))
        # Where this rank's rows begin follows from the rows of those before it.
        rows = [shape[0] if shape else 1 for shape in context.shapes]
        everyones = synchronize(allgather_async(torch.tensor([rows]), process_set=process_set))
        begins = everyones[: process_set.rank()].sum(dim=0).tolist()
        parts = [
            total.narrow(0, begin, count).reshape(shape)
            for total, begin, count, shape in zip(sums, begins, rows, context.shapes, strict=True)
        ]
        return None, None, *parts


def allgather(
    tensor: torch.Tensor, name: str | None = None, process_set: ProcessSet = global_process_set
) -> torch.Tensor:
    """Collect all ranks' tensors along the first dimension, which may differ."""
    return _AllGather.apply(name, process_set, tensor)[0]


def grouped_allgather(
    tensors: Sequence[torch.Tensor],
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> list[torch.Tensor]:
    """Collect several tensors of all ranks together."""
    return list(_AllGather.apply(name, process_set, *tensors))


# --- broadcast ---


def _check_root(root_rank: int, process_set: ProcessSet) -> int:
    if not 0 <= root_rank < basics.size():
        raise ValueError(f"root_rank is {root_rank}; ranks go from 0 to {basics.size() - 1}")
    if process_set.ranks is not None and root_rank not in process_set.ranks:
        raise ValueError(f"root_rank is {root_rank}, which is not part of {process_set}")
    return root_rank


def broadcast_async(
    tensor: torch.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to send ``tensor`` of ``root_rank`` (a rank of the job) to all."""
    root = _check_root(root_rank, process_set)
    return submit("broadcast", name, [check(tensor, False)], None, process_set, root=root)


def broadcast_async_(
    tensor: torch.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """As `broadcast_async`, into ``tensor`` itself."""
    root = _check_root(root_rank, process_set)
    source = check(tensor, False)
    return submit("broadcast", name, [source], [source], process_set, root=root)


class _Broadcast(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        tensor: torch.Tensor,
        root_rank: int,
        name: str | None,
        process_set: ProcessSet,
    ) -> torch.Tensor:
        context.root, context.process_set = root_rank, process_set
        return synchronize(broadcast_async(tensor, root_rank, name, process_set))

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        total = synchronize(allreduce_async(gradient, op=Average, process_set=context.process_set))
        if basics.rank() != context.root:
            total = torch.zeros_like(total)
        return total, None, None, None


def broadcast(
    tensor: torch.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> torch.Tensor:
    """Return ``tensor`` of ``root_rank``, a rank of the job."""
    return _Broadcast.apply(tensor, root_rank, name, process_set)


def broadcast_(
    tensor: torch.Tensor,
    root_rank: int,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> torch.Tensor:
    """Overwrite ``tensor`` with that of ``root_rank``."""
    synchronize(broadcast_async_(tensor, root_rank, name, process_set))
    return tensor


# --- all-to-all ---


def _row_counts(rows: int, splits: "torch.Tensor | Sequence[int] | None", size: int) -> list[int]:
    if splits is None:
        if rows % size != 0:
            raise ValueError(f"{rows} rows cannot be split evenly over {size} ranks; give splits")
        return [rows // size] * size
    if isinstance(splits, torch.Tensor):
        if splits.dtype not in (torch.int32, torch.int64):
            raise ValueError(f"splits are whole numbers (int32 or int64), not {splits.dtype}")
        splits = splits.tolist()
    counts = [int(count) for count in splits]
    if len(counts) != size or min(counts) < 0 or sum(counts) != rows:
        raise ValueError(f"splits {counts} do not fit {rows} rows and {size} ranks")
    return counts


def alltoall_async(
    tensor: torch.Tensor,
    splits: "torch.Tensor | Sequence[int] | None" = None,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> int:
    """Start to send ``splits[r]`` rows to the set's rank r; equal parts without ``splits``."""
    source = _with_rows(check(tensor, False))
    basics.number_of(process_set)
    counts = _row_counts(source.shape[0], splits, process_set.size() or 1)
    return submit("alltoall", name, [source], None, process_set, splits=tuple(counts))


class _AllToAll(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        tensor: torch.Tensor,
        splits: "torch.Tensor | Sequence[int] | None",
        name: str | None,
        process_set: ProcessSet,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        result, received = synchronize(alltoall_async(tensor, splits, name, process_set))
        context.process_set, context.received = process_set, received
        context.mark_non_differentiable(received)
        return result, received

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor, _: torch.Tensor) -> tuple[Any, ...]:
        handle = alltoall_async(gradient, context.received, process_set=context.process_set)
        return synchronize(handle)[0], None, None, None


def alltoall(
    tensor: torch.Tensor,
    splits: "torch.Tensor | Sequence[int] | None" = None,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> "torch.Tensor | tuple[torch.Tensor, torch.Tensor]":
    """Exchange rows with all ranks; with ``splits`` also return how many came from each."""
    result, received = _AllToAll.apply(tensor, splits, name, process_set)
    if splits is None:
        return result
    return result, received.to(splits.dtype) if isinstance(splits, torch.Tensor) else received
