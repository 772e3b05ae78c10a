"""State of a training loop in PyTorch: models, optimizers, samplers, and plain values."""

import copy
from typing import Any

import torch

from regatta.hvd import basics
from regatta.hvd.elastic.state import ObjectState
from regatta.hvd.torch.elastic.sampler import ElasticSampler
from regatta.hvd.torch.functions import (
    broadcast_object,
    broadcast_optimizer_state,
    broadcast_parameters,
)

__all__ = ["TorchState"]


class _Keeper:
    """Saves, restores and synchronizes something that has a state dict."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.save()

    def save(self) -> None:
        self._saved = copy.deepcopy(self.value.state_dict())

    def restore(self) -> None:
        # A copy again: optimizers keep what they load, and would change it.
        self.value.load_state_dict(copy.deepcopy(self._saved))

    def sync(self) -> None:
        if isinstance(self.value, torch.nn.Module):
            broadcast_parameters(self.value.state_dict(), 0)
        elif isinstance(self.value, torch.optim.Optimizer):
            broadcast_optimizer_state(self.value, 0)
        else:
            self.value.load_state_dict(broadcast_object(self.value.state_dict()))
        self.save()


class TorchState(ObjectState):
    """State of a training loop.

    Parameters
    ----------
    model : torch.nn.Module, optional
    optimizer : torch.optim.Optimizer, optional
    **values : object
        More models, optimizers and samplers, and plain values; each an attribute of this object.
    """

    def __init__(
        self,
        model: torch.nn.Module | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        **values: Any,
    ) -> None:
        values |= {"model": model, "optimizer": optimizer}
        kinds = (torch.nn.Module, torch.optim.Optimizer, ElasticSampler)
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

    def reset(self) -> None:
        """Deal out the samplers' rests over the new ranks."""
        for keeper in self._keepers.values():
            if isinstance(keeper.value, ElasticSampler):
                keeper.value.reset()

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_keepers" and name in self._keepers:
            self._keepers[name] = _Keeper(value)
        super().__setattr__(name, value)
