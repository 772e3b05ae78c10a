"""Collectives on values: numbers, arrays and tensors in, arrays out."""

from typing import Any

import numpy as np
import tensorflow as tf

from regatta.hvd import tensorflow as hvd
from regatta.hvd.reductions import Average
from regatta.hvd.tensorflow.compression import Compression, Compressor

__all__ = ["allgather", "allreduce", "broadcast", "reducescatter"]


def allreduce(
    value: Any,
    name: str | None = None,
    average: bool | None = None,
    prescale_factor: float = 1.0,
    postscale_factor: float = 1.0,
    op: int | None = None,
    compression: type[Compressor] = Compression.none,
) -> np.ndarray:
    """Return the combination of all ranks' values (Average unless ``op`` says otherwise)."""
    return hvd.allreduce(
        tf.convert_to_tensor(value),
        average,
        compression=compression,
        op=op,
        prescale_factor=prescale_factor,
        postscale_factor=postscale_factor,
        name=name,
    ).numpy()


def allgather(value: Any, name: str | None = None) -> np.ndarray:
    """Return all ranks' values along the first dimension, which may differ."""
    return hvd.allgather(tf.convert_to_tensor(value), name).numpy()


def broadcast(value: Any, root_rank: int, name: str | None = None) -> np.ndarray:
    """Return the value of ``root_rank``."""
    return hvd.broadcast(tf.convert_to_tensor(value), root_rank, name).numpy()


def reducescatter(value: Any, name: str | None = None, op: int = Average) -> np.ndarray:
    """Return this rank's part of the rows of the combination."""
    return hvd.reducescatter(tf.convert_to_tensor(value), op=op, name=name).numpy()
