"""Making all ranks start from the same state."""

import ctypes
import io
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from regatta.hvd.torch import basics, ops

__all__ = ["broadcast_object", "broadcast_optimizer_state", "broadcast_parameters"]


def broadcast_parameters(
    params: "Mapping[str, Any] | Iterable[tuple[str, torch.Tensor]]", root_rank: int = 0
) -> None:
    """Overwrite parameters with those of ``root_rank``.

    Parameters
    ----------
    params : mapping or iterable of (name, tensor)
        ``model.state_dict()`` or ``model.named_parameters()``. Entries that are no tensors are
        left alone.
    root_rank : int
        Whose values all ranks get.
    """
    items = params.items() if isinstance(params, Mapping) else params
    handles = [
        ops.broadcast_async_(value, root_rank, f"parameter.{name}")
        for name, value in sorted(items, key=lambda item: item[0])
        if isinstance(value, torch.Tensor)
    ]
    for handle in handles:
        ops.synchronize(handle)


def broadcast_object(obj: Any, root_rank: int = 0, name: str | None = None) -> Any:
    """Return ``obj`` of ``root_rank`` on all ranks; it travels as a pickle.

    The bytes come from a rank of one's own job, which has proved that it knows the job token.
    """
    payload = b""
    if basics.rank() == root_rank:
        buffer = io.BytesIO()
        torch.save(obj, buffer, pickle_protocol=pickle.HIGHEST_PROTOCOL)
        payload = buffer.getvalue()
    label = name if name is not None else "object"
    length = ops.broadcast(torch.tensor([len(payload)]), root_rank, f"{label}.length")
    if basics.rank() == root_rank:
        data = torch.frombuffer(bytearray(payload), dtype=torch.uint8)
    else:
        data = torch.empty(int(length.item()), dtype=torch.uint8)
    data = ops.broadcast_(data, root_rank, f"{label}.data")
    if basics.rank() == root_rank:
        return obj
    return torch.load(io.BytesIO(ctypes.string_at(data.data_ptr(), data.numel())))


def broadcast_optimizer_state(optimizer: torch.optim.Optimizer, root_rank: int = 0) -> None:
    """Overwrite an optimizer's state and options with those of ``root_rank``.

    Works whether or not the ranks have already taken a step: state that a rank does not have yet
    is made there.
    """
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("LBFGS keeps its state in ways that cannot be broadcast")
    state = broadcast_object(optimizer.state_dict(), root_rank, "optimizer_state")
    if basics.rank() != root_rank:
        optimizer.load_state_dict(state)
