"""Tensors of Paddle as arrays, and arrays as tensors, without copies."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle

from regatta.hvd.arrays.execute import ArrayBackend
from regatta.hvd.arrays.handles import submit
from regatta.hvd.arrays.numbers import NUMBERS, TYPES, storage
from regatta.hvd.entry import register_backend
from regatta.hvd.process_sets import ProcessSet

__all__ = ["check", "dtype_name", "start", "tensor_of", "view", "wanted", "with_gradient"]

_BACKEND = "paddle"
register_backend(_BACKEND, ArrayBackend())


class _Block:
    """The memory of a contiguous tensor, for NumPy, which keeps it alive."""

    def __init__(self, tensor: paddle.Tensor, name: str) -> None:
        self._tensor = tensor
        self.__array_interface__ = {
            "version": 3,
            "data": (tensor.data_ptr(), False),
            "shape": tuple(tensor.shape),
            "typestr": storage(name).str,
        }


def dtype_name(tensor: paddle.Tensor) -> str:
    """Return the name of a tensor's number type: "float32"."""
    return str(tensor.dtype).removeprefix("paddle.")


def view(tensor: paddle.Tensor) -> np.ndarray:
    """Return a contiguous CPU tensor's memory as an array; bfloat16 as its bits."""
    name = dtype_name(tensor)
    if math.prod(tensor.shape) == 0:
        return np.empty(tuple(tensor.shape), storage(name))
    return np.asarray(_Block(tensor, name))


def tensor_of(array: np.ndarray, name: str) -> paddle.Tensor:
    """Return a tensor that has an array's memory."""
    if name != "bfloat16":
        return paddle.utils.dlpack.from_dlpack(array)
    return paddle.utils.dlpack.from_dlpack(array.view(np.int16)).view(paddle.bfloat16)


def check(tensor: paddle.Tensor, numbers: bool) -> paddle.Tensor:
    """Return the tensor, if it can be sent (or, with ``numbers``, reduced)."""
    if not isinstance(tensor, paddle.Tensor):
        raise TypeError(f"a paddle.Tensor is needed, not {type(tensor).__name__}")
    if not tensor.place.is_cpu_place():
        raise ValueError(
            f"regatta.hvd.paddle works on CPU tensors; this one is on {tensor.place}. "
            "Move it with .cpu() first"
        )
    if tensor.is_selected_rows() or tensor.is_sparse():
        raise ValueError("sparse tensors need sparse_allreduce_async, or .to_dense()")
    if dtype_name(tensor) not in (NUMBERS if numbers else TYPES):
        raise ValueError(
            f"{tensor.dtype} cannot be reduced; possible are {', '.join(sorted(NUMBERS))}"
            if numbers
            else f"{tensor.dtype} cannot be sent"
        )
    return tensor


def start(
    kind: str,
    name: str | None,
    tensors: Sequence[paddle.Tensor],
    process_set: ProcessSet,
    in_place: bool = False,
    several: bool = False,
    **attributes: Any,
) -> int:
    """Submit and return a handle; ``attributes`` are fields of `Request`.

    `synchronize` returns one tensor, a list of them for ``several``, for alltoall the tensor and
    the rows from each rank.
    """
    whole = [_whole(tensor) for tensor in tensors]
    names = [dtype_name(tensor) for tensor in tensors]
    finish = _overwrite(tensors, whole) if in_place else _make(names)

    def result(arrays: list[np.ndarray]) -> Any:
        made = finish(arrays)
        if kind == "alltoall":
            return made[0], made[1]
        return made if several else made[0]

    pairs = [(view(tensor), dtype) for tensor, dtype in zip(whole, names, strict=True)]
    return submit(_BACKEND, kind, name, pairs, in_place, process_set, result, **attributes)


def _whole(tensor: paddle.Tensor) -> paddle.Tensor:
    """Return a contiguous tensor with these values, the tensor itself if it is one."""
    if tensor.is_contiguous():
        return tensor
    # Not contiguous(), which moves the tensor itself away from what it is a view of.
    with paddle.no_grad():
        return paddle.assign(tensor)


def _make(names: list[str]) -> Callable[[list[np.ndarray]], list[paddle.Tensor]]:
    def finish(arrays: list[np.ndarray]) -> list[paddle.Tensor]:
        # The rows from each rank, of alltoall, come without a name.
        known = [*names, "int32"][: len(arrays)]
        return [tensor_of(array, name) for array, name in zip(arrays, known, strict=True)]

    return finish


def _overwrite(
    tensors: Sequence[paddle.Tensor], whole: Sequence[paddle.Tensor]
) -> Callable[[list[np.ndarray]], list[paddle.Tensor]]:
    def finish(_: list[np.ndarray]) -> list[paddle.Tensor]:
        for tensor, contiguous in zip(tensors, whole, strict=True):
            if contiguous is not tensor:
                with paddle.no_grad():
                    paddle.assign(contiguous, tensor)
            elif not tensor.is_leaf:
                # autograd must find out that what it has saved was changed.
                tensor._bump_inplace_version()
        return list(tensors)

    return finish


def with_gradient(tensors: Sequence[paddle.Tensor]) -> bool:
    """Tell whether results of these tensors have to carry gradients."""
    return paddle.is_grad_enabled() and any(not tensor.stop_gradient for tensor in tensors)


def wanted(
    gradients: Sequence[paddle.Tensor], needed: Sequence[bool]
) -> "paddle.Tensor | tuple[paddle.Tensor | None, ...]":
    """Return what a PyLayer's backward gives back: None for inputs that need no gradient."""
    given = tuple(
        gradient if need else None for gradient, need in zip(gradients, needed, strict=True)
    )
    return given if len(given) > 1 else given[0]
