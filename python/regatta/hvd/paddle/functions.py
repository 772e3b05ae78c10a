"""Making all ranks start from the same state."""

from collections.abc import Iterable, Mapping
from typing import Any

import paddle
from paddle.base import framework

from regatta.hvd import basics
from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.arrays.objects import broadcast_object
from regatta.hvd.paddle.gather import broadcast_async_
from regatta.hvd.paddle.tensors import dtype_name
from regatta.hvd.process_sets import ProcessSet, global_process_set

__all__ = [
    "broadcast_optimizer_state",
    "broadcast_parameters",
    "go_back",
    "parameters_of",
]


def broadcast_parameters(
    params: "Mapping[str, Any] | Iterable[tuple[str, paddle.Tensor] | paddle.Tensor]",
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
    elif isinstance(params, Iterable) and not isinstance(params, paddle.Tensor):
        pairs = [
            one if isinstance(one, tuple) else (str(index), one) for index, one in enumerate(params)
        ]
    else:
        raise ValueError(f"params is a state dict or a list, not {type(params).__name__}")
    handles = [
        broadcast_async_(value, root_rank, f"parameter.{name}", process_set)
        for name, value in pairs
        if isinstance(value, paddle.Tensor)
    ]
    for handle in handles:
        synchronize(handle)


def parameters_of(optimizer: paddle.optimizer.Optimizer) -> list[paddle.Tensor]:
    """Return an optimizer's parameters, those of its groups one after the other."""
    listed = optimizer._param_groups
    if listed and isinstance(listed[0], dict):
        return [parameter for group in listed for parameter in group["params"]]
    return list(listed)


def _create(optimizer: paddle.optimizer.Optimizer, parameters: list[paddle.Tensor]) -> None:
    """Let an optimizer make its state of parameters, unless it has it."""
    with paddle.no_grad():
        optimizer._create_accumulators(framework.default_main_program().global_block(), parameters)


def _tensors(
    optimizer: paddle.optimizer.Optimizer, numbers: dict[str, int]
) -> dict[tuple[str, int], paddle.Tensor]:
    """An optimizer's state by kind and number of the parameter: names may differ among ranks."""
    masters = {name: value for name, value in optimizer._master_weights.items() if name in numbers}
    # State of a parameter in half precision is kept under the name of its master weight.
    numbers = numbers | {value.name: numbers[name] for name, value in masters.items()}
    found = {
        (kind, numbers[name]): value
        for kind, values in optimizer._accumulators.items()
        for name, value in values.items()
        if name in numbers
    }
    return found | {("master weight", numbers[name]): value for name, value in masters.items()}


def broadcast_optimizer_state(
    optimizer: paddle.optimizer.Optimizer, root_rank: int = 0, model: Any = None
) -> None:
    """Overwrite an optimizer's state and learning rate with those of ``root_rank``.

    Works whether or not the ranks have already taken a step: state that a rank does not have yet
    is made there. The optimizer's other options are those it was made with. ``model`` is not
    needed, and accepted for Horovod's sake.

    Raises
    ------
    ValueError
        When this rank's optimizer keeps other state than the root's.
    """
    parameters = parameters_of(optimizer)
    numbers = {parameter.name: number for number, parameter in enumerate(parameters)}
    if basics.rank() == root_rank and optimizer._accumulators_holder:
        # State that was loaded and not used yet.
        _create(optimizer, [one for one in parameters if not one.stop_gradient])
    state = _tensors(optimizer, numbers)
    rate = optimizer._learning_rate
    scheduled = isinstance(rate, paddle.optimizer.lr.LRScheduler)
    layout = [(key, list(value.shape), dtype_name(value)) for key, value in sorted(state.items())]
    described = {"layout": layout, "rate": rate.state_dict() if scheduled else rate}
    wanted = broadcast_object(described, root_rank, "optimizer_state")
    if basics.rank() != root_rank:
        if scheduled:
            rate.set_state_dict(wanted["rate"])
        else:
            optimizer.set_lr(wanted["rate"])
        if not wanted["layout"]:
            _forget(optimizer)
            return
        optimizer._accumulators_holder = {}
        used = sorted({key[1] for key, _, _ in wanted["layout"]})
        _create(optimizer, [parameters[number] for number in used])
        state = _tensors(optimizer, numbers)
    for key, shape, dtype in wanted["layout"]:
        mine = state.get(tuple(key))
        if mine is None or list(mine.shape) != list(shape) or dtype_name(mine) != dtype:
            raise ValueError(
                f"the optimizer of rank {root_rank} keeps {key[0]} of parameter {key[1]} as "
                f"{dtype}{list(shape)}; this rank's does not"
            )
    handles = [
        broadcast_async_(state[tuple(key)], root_rank, f"optimizer_state.{key[0]}.{key[1]}")
        for key, _, _ in wanted["layout"]
    ]
    for handle in handles:
        synchronize(handle)


def _forget(optimizer: paddle.optimizer.Optimizer) -> None:
    """Make an optimizer as one that has taken no step."""
    optimizer._accumulators.clear()
    optimizer._accumulators_holder = {}
    optimizer._master_weights.clear()
    optimizer._already_create_accumulator.clear()


def go_back(optimizer: paddle.optimizer.Optimizer, state: dict[str, Any]) -> None:
    """Load what this optimizer's ``state_dict()`` gave at an earlier time.

    State made since then goes away; Paddle itself refuses to load an earlier state over it. Tensors
    of ``state`` may become the optimizer's own.
    """
    masters = state.get("master_weights", {})
    for name in [name for name in optimizer._master_weights if name not in masters]:
        del optimizer._master_weights[name]
    for kind in list(optimizer._accumulators):
        values = optimizer._accumulators[kind]
        kept = {name: value for name, value in values.items() if value.name in state}
        if kept:
            optimizer._accumulators[kind] = kept
        else:
            del optimizer._accumulators[kind]
    owners = {value.name: name for name, value in masters.items()}
    with_state = {
        owners.get(name, name) for values in optimizer._accumulators.values() for name in values
    }
    optimizer._already_create_accumulator.intersection_update(with_state)
    optimizer.set_state_dict(state)
    if optimizer._accumulators:
        # All is loaded; state of parameters that are used later begins anew.
        optimizer._accumulators_holder = {}
