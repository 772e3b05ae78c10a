"""All-reduce of sparse tensors: everybody's entries side by side."""

from collections.abc import Callable

import torch

from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Average, Sum
from regatta.hvd.torch.gather import allgather_async
from regatta.hvd.torch.handles import synchronize

__all__ = ["sparse_allreduce_async"]


def sparse_allreduce_async(
    tensor: torch.Tensor,
    name: str,
    op: int,
    process_set: ProcessSet = global_process_set,
) -> Callable[[], torch.Tensor]:
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
    if op not in (Average, Sum):
        raise ValueError("sparse tensors can be added or averaged only")
    indices = tensor._indices().t().contiguous()
    index_handle = allgather_async(indices, f"{name}.indices", process_set)
    value_handle = allgather_async(tensor._values(), f"{name}.values", process_set)

    def finish() -> torch.Tensor:
        values = synchronize(value_handle)
        everyones = synchronize(index_handle)
        if op == Average:
            values = values / process_set.size()
        return torch.sparse_coo_tensor(everyones.t(), values, tensor.shape)

    return finish
