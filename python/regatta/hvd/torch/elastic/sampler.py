"""A sampler that knows what was seen of an epoch, and deals out the rest."""

import random
from collections.abc import Iterator, Sized
from typing import Any

import torch

from regatta.hvd import basics

__all__ = ["ElasticSampler"]


class ElasticSampler(torch.utils.data.Sampler):
    """Gives each rank its share of a data set's indices, and after a change of the rest.

    Make it part of the `TorchState`, call `record_batch` after each batch, and `set_epoch` at the
    end of each epoch.

    Parameters
    ----------
    dataset : sized
        Its length must not change.
    shuffle : bool
        Take the indices in another order each epoch, the same on all ranks.
    seed : int
        The same on all ranks.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int = 0) -> None:
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self.processed_num = 0
        self.reset()

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: nothing of it was seen."""
        self.epoch = epoch
        self.processed_num = 0
        self.reset()

    def record_batch(self, batch_idx: int, batch_size: int) -> None:
        """Say that each rank has seen ``batch_size`` more samples."""
        self.processed_num += batch_size * self.num_replicas

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, and deal out the rest."""
        self.epoch = state_dict["epoch"]
        self.processed_num = state_dict["processed_num"]
        self.reset()

    def state_dict(self) -> dict[str, Any]:
        """Return how far the epoch is."""
        return {"epoch": self.epoch, "processed_num": self.processed_num}

    def reset(self) -> None:
        """Deal out what was not seen yet over the present ranks."""
        self.num_replicas = basics.size()
        self.rank = basics.rank()
        indices = list(range(len(self.dataset)))
        if self.shuffle:
            random.Random(self.seed + self.epoch).shuffle(indices)
        self.remaining_indices = indices[self.processed_num :]
        self.num_samples = -(-len(self.remaining_indices) // self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        """Return this rank's indices; some come twice where the ranks' shares would differ."""
        missing = self.total_size - len(self.remaining_indices)
        padded = self.remaining_indices + self.remaining_indices[:missing]
        # A rest smaller than the number of ranks is repeated as often as needed.
        while len(padded) < self.total_size:
            padded += self.remaining_indices[: self.total_size - len(padded)]
        return iter(padded[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        """Return the number of indices this rank gets."""
        return self.num_samples
