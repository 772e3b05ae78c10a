"""Batch normalization over the samples of all ranks."""

from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from regatta.hvd import basics
from regatta.hvd.reductions import Sum
from regatta.hvd.torch.allreduce import allreduce_async
from regatta.hvd.torch.gather import allgather_async
from regatta.hvd.torch.handles import synchronize

__all__ = ["SyncBatchNorm"]


class SyncBatchNorm(_BatchNorm):
    """As ``torch.nn.BatchNorm``, with mean and variance over the samples of all ranks.

    In training mode only, and for inputs of shape (N, C, ...); N may differ between ranks.
    """

    def _check_input_dim(self, samples: torch.Tensor) -> None:
        if samples.dim() < 2:
            raise ValueError(
                f"SyncBatchNorm needs an input of shape (N, C, ...), not {list(samples.shape)}"
            )

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Normalize each channel."""
        self._check_input_dim(samples)
        use_batch = self.training or not self.track_running_stats
        if not use_batch or basics.size() == 1:
            return super().forward(samples)
        return self._forward_synchronized(samples)

    def _forward_synchronized(self, samples: torch.Tensor) -> torch.Tensor:
        statistics = _gather_statistics(samples.detach())
        mean, variance, count = statistics
        if self.training and self.track_running_stats:
            self.num_batches_tracked.add_(1)
            momentum = self.momentum
            if momentum is None:  # cumulative average
                momentum = 1.0 / float(self.num_batches_tracked)
            unbiased = variance * (count / max(count - 1, 1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
        inverse = (variance + self.eps).rsqrt()
        normalized = _Normalize.apply(samples, mean, inverse, count)
        if self.affine:
            shape = [1, -1] + [1] * (samples.dim() - 2)
            normalized = normalized * self.weight.view(shape) + self.bias.view(shape)
        return normalized


def _others(samples: torch.Tensor) -> list[int]:
    return [axis for axis in range(samples.dim()) if axis != 1]


def _gather_statistics(samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Mean and variance of each channel, and the number of samples, over all ranks."""
    wide = samples.double()
    channels = samples.shape[1]
    count = samples.numel() // channels
    shape = [1, -1] + [1] * (samples.dim() - 2)
    mean = wide.sum(dim=_others(samples)) / max(count, 1)
    squares = ((wide - mean.view(shape)) ** 2).sum(dim=_others(samples))
    mine = torch.cat([torch.tensor([float(count)], dtype=torch.float64), mean, squares])
    name = f"sync_batch_norm.{channels}.statistics"
    everyones = synchronize(allgather_async(mine[None], name))
    counts, means, all_squares = everyones.split([1, channels, channels], dim=1)
    # Chan et al.: sums of squares about each rank's own mean, moved to the common one.
    total = counts.sum()
    mean = (counts * means).sum(dim=0) / total
    squares = (all_squares + counts * (means - mean) ** 2).sum(dim=0)
    kind = samples.dtype
    return mean.to(kind), (squares / total).to(kind), int(total.item())


class _Normalize(torch.autograd.Function):
    """(x - mean) / deviation, where both depend on the samples of all ranks."""

    @staticmethod
    def forward(
        context: Any, samples: torch.Tensor, mean: torch.Tensor, inverse: torch.Tensor, count: int
    ) -> torch.Tensor:
        shape = [1, -1] + [1] * (samples.dim() - 2)
        result = (samples - mean.view(shape)) * inverse.view(shape)
        context.save_for_backward(result, inverse)
        context.count = count
        return result

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        result, inverse = context.saved_tensors
        axes = _others(result)
        channels = result.shape[1]
        mine = torch.cat([gradient.sum(dim=axes), (gradient * result).sum(dim=axes)])
        name = f"sync_batch_norm.{channels}.gradients"
        both = synchronize(allreduce_async(mine, op=Sum, name=name)) / context.count
        shape = [1, -1] + [1] * (result.dim() - 2)
        mean, along = (part.view(shape) for part in both.split(channels))
        return (gradient - mean - result * along) * inverse.view(shape), None, None, None
