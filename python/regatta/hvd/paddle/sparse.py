"""All-reduce of sparse tensors: everybody's entries side by side."""

from collections.abc import Callable

import numpy as np
import paddle

from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.paddle.gather import allgather_async
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Average, Sum

__all__ = ["densify", "fill_rows", "sparse_allreduce_async", "start_rows"]


def _check(op: int) -> None:
    if op not in (Average, Sum):
        raise ValueError("sparse tensors can be added or averaged only")


def sparse_allreduce_async(
    tensor: paddle.Tensor,
    name: str,
    op: int,
    process_set: ProcessSet = global_process_set,
) -> Callable[[], paddle.Tensor]:
    """Start to combine a sparse COO tensor over all ranks.

    Parameters
    ----------
    op : Op
        Average or Sum.

    Returns
    -------
    callable
        Waits and returns the result, a sparse tensor that is not coalesced.
    """
    _check(op)
    if not tensor.is_sparse_coo():
        raise ValueError("a sparse COO tensor is needed")
    indices = tensor.indices().t().contiguous()
    index_handle = allgather_async(indices, f"{name}.indices", process_set)
    value_handle = allgather_async(tensor.values(), f"{name}.values", process_set)

    def finish() -> paddle.Tensor:
        values = synchronize(value_handle)
        everyones = synchronize(index_handle)
        if op == Average:
            values = values / process_set.size()
        return paddle.sparse.sparse_coo_tensor(everyones.t().contiguous(), values, tensor.shape)

    return finish


# --- gradients of embeddings: rows of a table, of which some occur several times ---


def start_rows(
    gradient: paddle.Tensor, name: str, op: int, process_set: ProcessSet
) -> Callable[[], None]:
    """Start to combine a gradient of selected rows; what is returned waits and overwrites it."""
    _check(op)
    rows = np.array(gradient.get_selected_rows().rows(), np.int64)
    values = gradient._get_tensor_from_selected_rows().contiguous()
    index_handle = allgather_async(paddle.to_tensor(rows), f"{name}.indices", process_set)
    value_handle = allgather_async(values, f"{name}.values", process_set)

    def finish() -> None:
        everyones = synchronize(value_handle)
        if op == Average:
            everyones = everyones / process_set.size()
        fill_rows(gradient, synchronize(index_handle).tolist(), everyones)

    return finish


def densify(gradient: paddle.Tensor) -> paddle.Tensor:
    """Return a gradient of selected rows as that of the whole table."""
    values = gradient._get_tensor_from_selected_rows()
    height = gradient.get_selected_rows().height()
    rows = paddle.to_tensor(gradient.get_selected_rows().rows(), dtype="int64")
    table = paddle.zeros([height, *values.shape[1:]], dtype=values.dtype)
    return paddle.index_add(table, rows, 0, values)


def fill_rows(gradient: paddle.Tensor, rows: list[int], values: paddle.Tensor) -> None:
    """Overwrite a gradient of selected rows: Paddle does not let another kind take its place."""
    selected = gradient.get_selected_rows()
    selected.set_rows(rows)
    selected.get_tensor().set(values.numpy(), paddle.CPUPlace())
