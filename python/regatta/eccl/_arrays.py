"""Where an array's elements are, how many, and of what type."""

from dataclasses import dataclass
from typing import Any

from regatta.eccl import _dlpack
from regatta.eccl._types import DataType


@dataclass(frozen=True)
class Memory:
    """Elements that are no array: where they are, how many, of what type.

    ``owner`` is whatever has to live as long as the memory is in use.
    """

    address: int
    count: int
    data_type: DataType
    owner: Any = None


_NAMES = {
    "i1": DataType.INT8,
    "u1": DataType.UINT8,
    "b1": DataType.UINT8,
    "i4": DataType.INT32,
    "u4": DataType.UINT32,
    "i8": DataType.INT64,
    "u8": DataType.UINT64,
    "f2": DataType.FLOAT16,
    "f4": DataType.FLOAT32,
    "f8": DataType.FLOAT64,
}
_TENSOR_NAMES = {
    "int8": DataType.INT8,
    "uint8": DataType.UINT8,
    "bool": DataType.UINT8,
    "int32": DataType.INT32,
    "int64": DataType.INT64,
    "float16": DataType.FLOAT16,
    "bfloat16": DataType.BFLOAT16,
    "float32": DataType.FLOAT32,
    "float64": DataType.FLOAT64,
}


def describe(array: Any) -> tuple[int, int, DataType]:
    """Address, number of elements and type of an array."""
    if isinstance(array, Memory):
        return array.address, array.count, array.data_type
    if hasattr(array, "data_ptr"):
        return _describe_tensor(array)
    # Of cupy, numba and others, where the elements are on a device.
    interface = getattr(array, "__cuda_array_interface__", None)
    if interface is None:
        interface = getattr(array, "__array_interface__", None)
    if interface is None and _dlpack.is_exporter(array):
        return _dlpack.describe(array)
    if interface is None:
        raise TypeError(f"neither an array nor a tensor: {type(array).__name__}")
    if interface.get("strides") is not None:
        raise ValueError("the array is not contiguous; pass numpy.ascontiguousarray(array)")
    order, name = interface["typestr"][0], interface["typestr"][1:]
    if order == ">" or name not in _NAMES:
        raise TypeError(f"libeccl has no type for {interface['typestr']}")
    count = 1
    for extent in interface["shape"]:
        count *= extent
    return interface["data"][0], count, _NAMES[name]


def refuse_devices(arrays: tuple[Any, ...]) -> None:
    """Raise for memory that a communicator without a device would read as the host's."""
    for array in arrays:
        where = getattr(array, "device", None)
        if (
            getattr(where, "type", "cpu") != "cpu"
            or hasattr(array, "__cuda_array_interface__")
            or (
                not hasattr(array, "data_ptr")
                and not hasattr(array, "__array_interface__")
                and _dlpack.is_exporter(array)
                and _dlpack.is_on_device(array)
            )
        ):
            raise ValueError(
                "the array is on a device, and this communicator has none; "
                'make it with device="cuda:0"'
            )


def _describe_tensor(tensor: Any) -> tuple[int, int, DataType]:
    """Describe a tensor of torch or Paddle."""
    framework, _, name = str(tensor.dtype).partition(".")
    paddles = framework == "paddle"
    if paddles and not tensor.place.is_cpu_place():
        raise ValueError(f"libeccl needs CPU tensors of Paddle; this one is on {tensor.place}")
    if not paddles and tensor.device.type not in ("cpu", "cuda"):
        raise ValueError(f"libeccl has no devices like {tensor.device}")
    if not tensor.is_contiguous():
        raise ValueError("the tensor is not contiguous; pass tensor.contiguous()")
    kind = _TENSOR_NAMES.get(name)
    if kind is None:
        raise TypeError(f"libeccl has no type for {tensor.dtype}")
    return tensor.data_ptr(), tensor.size if paddles else tensor.numel(), kind


def pair(send: Any, receive: Any) -> tuple[tuple[int, int], tuple[int, int], DataType]:
    from_address, from_count, from_type = describe(send)
    to_address, to_count, to_type = describe(receive)
    if from_type != to_type:
        raise TypeError(f"send has type {from_type.name}, receive has {to_type.name}")
    return (from_address, from_count), (to_address, to_count), from_type
