"""Making all ranks start from the same state, and exchanging objects."""

import ctypes
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from regatta.hvd import basics
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.torch.gather import allgather_async, broadcast_, broadcast_async_
from regatta.hvd.torch.handles import synchronize

try:
    from cloudpickle import dumps as _dumps  # knows lambdas and local classes, too
except ImportError:
    _dumps = pickle.dumps

__all__ = [
    "allgather_object",
    "broadcast_object",
    "broadcast_optimizer_state",
    "broadcast_parameters",
]


def broadcast_parameters(
    params: "Mapping[str, Any] | Iterable[tuple[str, torch.Tensor] | torch.Tensor]",
    root_rank: int = 0,
    process_set: ProcessSet = global_process_set,
) -> None:
    """Overwrite parameters with those of ``root_rank``.

    Parameters
    ----------
    params : mapping, or iterable of (name, tensor) or of tensors
        ``model.state_dict()``, ``model.named_parameters()`` or ``model.parameters()``. Entries that
        are no tensors are left alone; those without a name are numbered.
    root_rank : int
        Whose values all ranks get.
    """
    if isinstance(params, Mapping):
        pairs = sorted(params.items())
    elif isinstance(params, Iterable) and not isinstance(params, torch.Tensor):
        pairs = [
            one if isinstance(one, tuple) else (str(index), one) for index, one in enumerate(params)
        ]
    else:
        raise ValueError(f"params is a state dict or a list, not {type(params).__name__}")
    handles = [
        broadcast_async_(value, root_rank, f"parameter.{name}", process_set)
        for name, value in pairs
        if isinstance(value, torch.Tensor)
    ]
    for handle in handles:
        synchronize(handle)


def _pack(obj: Any) -> torch.Tensor:
    data = _dumps(obj)
    return torch.from_numpy(np.frombuffer(bytearray(data), np.uint8))


def _unpack(data: torch.Tensor) -> Any:
    # The bytes come from a rank of one's own job, which has proved that it knows the job token.
    return pickle.loads(ctypes.string_at(data.data_ptr(), data.numel()))


def broadcast_object(
    obj: Any,
    root_rank: int = 0,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> Any:
    """Return ``obj`` of ``root_rank`` on all ranks; it travels as a pickle."""
    label = name if name is not None else "object"
    at_root = basics.rank() == root_rank
    data = _pack(obj) if at_root else torch.empty(0, dtype=torch.uint8)
    length = torch.tensor([data.numel()])
    broadcast_(length, root_rank, f"{label}.length", process_set)
    if not at_root:
        data = torch.empty(int(length.item()), dtype=torch.uint8)
    broadcast_(data, root_rank, f"{label}.data", process_set)
    return obj if at_root else _unpack(data)


def allgather_object(
    obj: Any, name: str | None = None, process_set: ProcessSet = global_process_set
) -> list[Any]:
    """Return all ranks' objects, in the order of the ranks; they travel as pickles."""
    label = name if name is not None else "object"
    data = _pack(obj)
    lengths = allgather_async(torch.tensor([data.numel()]), f"{label}.length", process_set)
    everyones = allgather_async(data, f"{label}.data", process_set)
    counts = synchronize(lengths).tolist()
    return [_unpack(part) for part in synchronize(everyones).split(counts)]


def broadcast_optimizer_state(
    optimizer: torch.optim.Optimizer, root_rank: int = 0, model: torch.nn.Module | None = None
) -> None:
    """Overwrite an optimizer's state and options with those of ``root_rank``.

    Works whether or not the ranks have already taken a step: state that a rank does not have yet
    is made there. ``model`` is not needed, and accepted for Horovod's sake.
    """
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("LBFGS keeps its state in ways that cannot be broadcast")
    if not optimizer.state:
        # As after Horovod's, which takes a step to make state: programs read gradients behind it.
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.requires_grad and parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
    state = broadcast_object(optimizer.state_dict(), root_rank, "optimizer_state")
    if basics.rank() != root_rank:
        optimizer.load_state_dict(state)
