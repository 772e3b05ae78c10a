"""Batch normalization over the samples of all ranks."""

from typing import Any

import numpy as np
import paddle
from paddle.nn.layer.norm import _BatchNormBase

from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.paddle.allreduce import allreduce_async
from regatta.hvd.paddle.gather import allgather_async
from regatta.hvd.reductions import Sum

__all__ = ["SyncBatchNorm"]


class SyncBatchNorm(_BatchNormBase):
    """As ``paddle.nn.BatchNorm1D`` to ``3D``, with mean and variance over all ranks' samples.

    In training mode only, and for inputs of shape (N, C, ...), or (N, ..., C) with a
    ``data_format`` that ends in C. N may differ between ranks.
    """

    def _check_input_dim(self, samples: paddle.Tensor) -> None:
        if len(samples.shape) < 2:
            raise ValueError(
                f"SyncBatchNorm needs an input of shape (N, C, ...), not {list(samples.shape)}"
            )

    def _check_data_format(self, data_format: str) -> None:
        if not data_format.startswith("N") or "C" not in (data_format[1], data_format[-1]):
            raise ValueError(f'data_format is like "NCHW" or "NHWC", not "{data_format}"')

    def forward(self, samples: paddle.Tensor) -> paddle.Tensor:
        """Normalize each channel."""
        self._check_data_format(self._data_format)
        self._check_input_dim(samples)
        last = self._data_format[1] != "C"
        self._axis = len(samples.shape) - 1 if last else 1
        shape = [1] * len(samples.shape)
        shape[self._axis] = -1
        if not self.training or self._use_global_stats:
            inverse = paddle.rsqrt(self._variance + self._epsilon)
            normalized = (samples - self._mean.reshape(shape)) * inverse.reshape(shape)
        else:
            mean, variance, count = _statistics(samples.detach(), self._axis)
            with paddle.no_grad():
                for kept, seen in ((self._mean, mean), (self._variance, variance)):
                    new = kept * self._momentum + seen.astype(kept.dtype) * (1 - self._momentum)
                    paddle.assign(new, kept)
            inverse = paddle.rsqrt(variance + self._epsilon)
            normalized = _Normalize.apply(samples, mean, inverse, count, self._axis)
        if self.weight is not None:
            normalized = normalized * self.weight.reshape(shape)
        return normalized if self.bias is None else normalized + self.bias.reshape(shape)


def _statistics(samples: paddle.Tensor, axis: int) -> tuple[paddle.Tensor, paddle.Tensor, int]:
    """Mean and variance of each channel, and the number of samples, over all ranks."""
    values = np.moveaxis(samples.astype(paddle.float64).numpy(), axis, 0)
    values = values.reshape(values.shape[0], -1)
    channels, count = values.shape
    mean = values.sum(axis=1) / max(count, 1)
    squares = ((values - mean[:, None]) ** 2).sum(axis=1)
    mine = paddle.to_tensor(np.concatenate([[float(count)], mean, squares])[None])
    name = f"sync_batch_norm.{channels}.statistics"
    everyones = synchronize(allgather_async(mine, name)).numpy()
    counts, means, all_squares = np.split(everyones, [1, 1 + channels], axis=1)
    # Chan et al.: sums of squares about each rank's own mean, moved to the common one.
    total = counts.sum()
    mean = (counts * means).sum(axis=0) / total
    variance = (all_squares + counts * (means - mean) ** 2).sum(axis=0) / total
    kind = samples.dtype
    return (
        paddle.to_tensor(mean).astype(kind),
        paddle.to_tensor(variance).astype(kind),
        int(total),
    )


class _Normalize(paddle.autograd.PyLayer):
    """(x - mean) / deviation, where both depend on the samples of all ranks."""

    @staticmethod
    def forward(
        context: Any,
        samples: paddle.Tensor,
        mean: paddle.Tensor,
        inverse: paddle.Tensor,
        count: int,
        axis: int,
    ) -> paddle.Tensor:
        shape = [1] * len(samples.shape)
        shape[axis] = -1
        result = (samples - mean.reshape(shape)) * inverse.reshape(shape)
        context.save_for_backward(result, inverse)
        context.count, context.axis, context.shape = count, axis, shape
        return result

    @staticmethod
    def backward(context: Any, gradient: paddle.Tensor) -> Any:
        result, inverse = context.saved_tensor()
        axes = [axis for axis in range(len(result.shape)) if axis != context.axis]
        channels = result.shape[context.axis]
        mine = paddle.concat([gradient.sum(axis=axes), (gradient * result).sum(axis=axes)])
        name = f"sync_batch_norm.{channels}.gradients"
        both = synchronize(allreduce_async(mine, op=Sum, name=name)) / context.count
        mean, along = (part.reshape(context.shape) for part in both.split(2))
        back = (gradient - mean - result * along) * inverse.reshape(context.shape)
        return back, None, None
