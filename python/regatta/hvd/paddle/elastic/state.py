"""State of a training loop in Paddle: models, optimizers, and plain values."""

from typing import Any

import paddle

from regatta.hvd import basics
from regatta.hvd.arrays.objects import broadcast_object
from regatta.hvd.elastic.state import ObjectState
from regatta.hvd.paddle.functions import (
    broadcast_optimizer_state,
    broadcast_parameters,
    go_back,
)

__all__ = ["PaddleState"]


def _copy(value: Any) -> Any:
    """Copy a state dict with its tensors: optimizers and layers go on changing theirs."""
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    if not isinstance(value, paddle.Tensor):
        return value
    copy = value.detach().clone()
    copy.name = value.name  # by which optimizers find the state of a master weight
    return copy


class _Keeper:
    """Saves, restores and synchronizes a layer or an optimizer."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.save()

    def save(self) -> None:
        self._saved = _copy(self.value.state_dict())

    def restore(self) -> None:
        if isinstance(self.value, paddle.nn.Layer):
            self.value.set_state_dict(_copy(self._saved))
        else:
            go_back(self.value, _copy(self._saved))
            # Of the step that failed; many programs clear gradients after a step only.
            self.value.clear_grad()

    def sync(self) -> None:
        if isinstance(self.value, paddle.nn.Layer):
            broadcast_parameters(self.value.state_dict(), 0)
        else:
            broadcast_optimizer_state(self.value, 0)
        self.save()


class PaddleState(ObjectState):
    """State of a training loop.

    Parameters
    ----------
    model : paddle.nn.Layer, optional
    optimizer : paddle.optimizer.Optimizer, optional
        The one that `DistributedOptimizer` made.
    **values : object
        More models and optimizers, and plain values; each an attribute of this object.
    """

    def __init__(
        self,
        model: paddle.nn.Layer | None = None,
        optimizer: paddle.optimizer.Optimizer | None = None,
        **values: Any,
    ) -> None:
        values |= {"model": model, "optimizer": optimizer}
        kinds = (paddle.nn.Layer, paddle.optimizer.Optimizer)
        self._keepers = {
            name: _Keeper(value) for name, value in values.items() if isinstance(value, kinds)
        }
        for name, keeper in self._keepers.items():
            object.__setattr__(self, name, keeper.value)
        plain = {name: value for name, value in values.items() if name not in self._keepers}
        super().__init__(broadcast_object, basics.rank, **plain)

    def save(self) -> None:
        """Keep copies of everything in memory."""
        for keeper in self._keepers.values():
            keeper.save()
        super().save()

    def restore(self) -> None:
        """Bring everything back to the last copies."""
        for keeper in self._keepers.values():
            keeper.restore()
        super().restore()

    def sync(self) -> None:
        """Bring everything to the state of rank 0."""
        for keeper in self._keepers.values():
            keeper.sync()
        super().sync()

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_keepers" and name in self._keepers:
            self._keepers[name] = _Keeper(value)
        super().__setattr__(name, value)
