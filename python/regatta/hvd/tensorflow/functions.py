"""Making all ranks start from the same state, and who is who as tensors."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from regatta.hvd import basics
from regatta.hvd.arrays import objects
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.tensorflow.gather import broadcast_
from regatta.hvd.tensorflow.tensors import run

__all__ = [
    "allgather_object",
    "broadcast_global_variables",
    "broadcast_object",
    "broadcast_object_fn",
    "broadcast_variables",
    "local_rank_op",
    "local_size_op",
    "process_set_included_op",
    "rank_op",
    "size_op",
]


def broadcast_variables(
    variables: Iterable[tf.Variable],
    root_rank: int,
    process_set: ProcessSet = global_process_set,
    inplace: bool = False,
) -> None:
    """Overwrite variables with those of ``root_rank``; the order is the same on all ranks."""
    broadcast_(variables, root_rank, process_set=process_set)


def broadcast_global_variables(root_rank: int) -> None:
    """Refuse: only graphs of TensorFlow 1 know their variables.

    Raises
    ------
    RuntimeError
        Always; the text says what to call.
    """
    raise RuntimeError(
        "hvd.broadcast_global_variables() needs the collections of TensorFlow 1, which eager "
        "execution does not fill; call hvd.broadcast_variables(model.variables, root_rank)"
    )


def broadcast_object(
    obj: Any,
    root_rank: int = 0,
    session: Any = None,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> Any:
    """Return ``obj`` of ``root_rank`` on all ranks; it travels as a pickle."""
    return objects.broadcast_object(obj, root_rank, name, process_set)


def broadcast_object_fn(
    root_rank: int = 0,
    session: Any = None,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> Callable[[Any], Any]:
    """Return `broadcast_object` as a function of the object alone."""
    return lambda obj: objects.broadcast_object(obj, root_rank, name, process_set)


def allgather_object(
    obj: Any,
    session: Any = None,
    name: str | None = None,
    process_set: ProcessSet = global_process_set,
) -> list[Any]:
    """Return all ranks' objects, in the order of the ranks; they travel as pickles."""
    return objects.allgather_object(obj, name, process_set)


def _now(value: Callable[[], int]) -> tf.Tensor:
    """Return what is so when the tensor is computed: an elastic job's ranks change."""
    return run(lambda: [np.array(value(), np.int32)], [], [tf.int32], [[]])[0]


def _ranks(process_set_id: int) -> list[int]:
    found = basics.process_set_ranks(process_set_id)
    if found is None:
        raise ValueError(f"there is no process set {process_set_id}")
    return found


def size_op(process_set_id: int = 0, name: str | None = None) -> tf.Tensor:
    """Return the number of ranks of a set as a tensor."""
    return _now(lambda: len(_ranks(process_set_id)))


def process_set_included_op(process_set_id: int = 0, name: str | None = None) -> tf.Tensor:
    """Return 1 if this rank is part of a set, else 0, as a tensor."""
    return _now(lambda: int(basics.rank() in _ranks(process_set_id)))


def rank_op(name: str | None = None) -> tf.Tensor:
    """Return `rank` as a tensor."""
    return _now(basics.rank)


def local_rank_op(name: str | None = None) -> tf.Tensor:
    """Return `local_rank` as a tensor."""
    return _now(basics.local_rank)


def local_size_op(name: str | None = None) -> tf.Tensor:
    """Return `local_size` as a tensor."""
    return _now(basics.local_size)
