"""Collectives on tensors of TensorFlow: at once when executing eagerly, else as a graph's node.

Nodes are stateful, so that a ``tf.function`` runs them one after the other in the program's order,
which is the same on all ranks: two that waited for each other's partners would never end.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from regatta.hvd.arrays.execute import ArrayBackend
from regatta.hvd.arrays.handles import submit, synchronize
from regatta.hvd.arrays.numbers import NUMBERS, TYPES
from regatta.hvd.entry import register_backend
from regatta.hvd.errors import HorovodInternalError
from regatta.hvd.process_sets import ProcessSet
from regatta.hvd.wire import wire_of

__all__ = ["check", "collective", "run"]

_BACKEND = "tensorflow"
register_backend(_BACKEND, ArrayBackend())
_BITS = tf.bfloat16.as_numpy_dtype


def check(tensor: Any, numbers: bool) -> tf.Tensor:
    """Return a tensor, if it can be sent (or, with ``numbers``, reduced)."""
    if isinstance(tensor, tf.IndexedSlices):
        raise ValueError("sparse tensors can only be combined by allreduce, with Average or Sum")
    made = tf.convert_to_tensor(tensor)
    if made.dtype.name not in (NUMBERS if numbers else TYPES):
        raise ValueError(
            f"{made.dtype.name} cannot be reduced; possible are {', '.join(sorted(NUMBERS))}"
            if numbers
            else f"{made.dtype.name} cannot be sent"
        )
    return made


class _FailedError(HorovodInternalError, tf.errors.FailedPreconditionError):
    """What Horovod's operators raise where they run at once."""

    def __init__(self, text: str) -> None:
        tf.errors.FailedPreconditionError.__init__(self, None, None, text)


class _InvalidError(ValueError, tf.errors.InvalidArgumentError):
    """As `_FailedError`, for arguments that cannot be."""

    def __init__(self, text: str) -> None:
        tf.errors.InvalidArgumentError.__init__(self, None, None, text)


def _call(body: Callable[..., list[np.ndarray]], *arrays: np.ndarray) -> list[np.ndarray]:
    try:
        return body(*arrays)
    except HorovodInternalError as failed:
        raise _FailedError(str(failed)) from failed
    except ValueError as failed:
        raise _InvalidError(str(failed)) from failed


def run(
    body: Callable[..., list[np.ndarray]],
    tensors: Sequence[tf.Tensor],
    kinds: Sequence[tf.DType],
    shapes: Sequence[Any],
) -> list[tf.Tensor]:
    """Call ``body`` with the tensors' values and make tensors of what it returns.

    Parameters
    ----------
    kinds : sequence of tf.DType
        Number types of the results.
    shapes : sequence of shapes
        What is known of the results' shapes while a graph is made.
    """
    if tf.executing_eagerly():
        arrays = _call(body, *(tensor.numpy() for tensor in tensors))
        return [tf.constant(array, kind) for array, kind in zip(arrays, kinds, strict=True)]
    made = tf.numpy_function(body, list(tensors), list(kinds))
    for one, shape in zip(made, shapes, strict=True):
        one.set_shape(shape)
    return made


def collective(
    kind: str,
    name: str | None,
    arrays: Sequence[Any],
    process_set: ProcessSet,
    compression: Any = None,
    **attributes: Any,
) -> list[np.ndarray]:
    """Run a collective on values of tensors; ``attributes`` are fields of `Request`."""
    pairs = []
    kinds = []
    for value in arrays:
        array = np.asarray(value, order="C")
        kinds.append(array.dtype)
        bits = array.view(np.uint16) if array.dtype == _BITS else array
        pairs.append((bits, array.dtype.name))

    def finish(results: list[np.ndarray]) -> list[np.ndarray]:
        # The rows from each rank, of alltoall, come after the tensor.
        known = [*kinds, np.dtype(np.int32)][: len(results)]
        return [
            result.view(_BITS) if kind == _BITS else result
            for result, kind in zip(results, known, strict=True)
        ]

    if compression is not None:
        shapes = [(array.shape, dtype) for array, dtype in pairs]
        attributes["wire"] = wire_of(compression, attributes["op"], shapes, name is not None)
    return synchronize(
        submit(_BACKEND, kind, name, pairs, False, process_set, finish, **attributes)
    )
