"""Batch normalization over the samples of all ranks."""

from typing import Any

import keras
import tensorflow as tf

from regatta.hvd import basics
from regatta.hvd.reductions import Sum
from regatta.hvd.tensorflow.reduce import allreduce

__all__ = ["SyncBatchNormalization"]


class SyncBatchNormalization(keras.layers.BatchNormalization):
    """As ``keras.layers.BatchNormalization``, with mean and variance over all ranks' samples.

    The ranks' numbers of samples may differ.
    """

    def _moments(self, inputs: tf.Tensor, mask: Any) -> tuple[tf.Tensor, tf.Tensor]:
        if basics.size() == 1:
            return super()._moments(inputs, mask)
        axes = self._reduction_axes
        if mask is None:
            weights = tf.ones_like(inputs)
        else:
            # Keras's masks are (samples, steps) and its channels come last then.
            weights = tf.cast(tf.expand_dims(mask, -1), inputs.dtype)
            weights = tf.broadcast_to(weights, tf.shape(inputs))
        mine = tf.stack([tf.reduce_sum(weights, axes), tf.reduce_sum(weights * inputs, axes)])
        counts, sums = tf.unstack(allreduce(mine, op=Sum))
        mean = sums / counts
        shape = [1] * inputs.shape.rank
        shape[self.axis] = -1
        # About the common mean: mean squares less the square of the mean lose digits.
        away = inputs - tf.reshape(mean, shape)
        squares = allreduce(tf.reduce_sum(weights * tf.square(away), axes), op=Sum)
        return mean, squares / counts
