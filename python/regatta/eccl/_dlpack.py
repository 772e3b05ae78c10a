"""Arrays that tell of themselves through DLPack only, as those of many devices do."""

import ctypes
from typing import Any

from regatta.eccl._types import DataType

# Of DLDeviceType: where the host may read and write.
_ON_HOST = {1, 3, 11, 13}  # CPU, pinned for CUDA, pinned for ROCm, managed by CUDA
_KINDS = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 6: "bool"}
_TYPES = {
    "int8": DataType.INT8,
    "uint8": DataType.UINT8,
    "bool8": DataType.UINT8,
    "int32": DataType.INT32,
    "uint32": DataType.UINT32,
    "int64": DataType.INT64,
    "uint64": DataType.UINT64,
    "float16": DataType.FLOAT16,
    "bfloat16": DataType.BFLOAT16,
    "float32": DataType.FLOAT32,
    "float64": DataType.FLOAT64,
}


class DLTensor(ctypes.Structure):
    """Of DLPack's C header; a DLManagedTensor begins with it."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("dimensions", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def is_exporter(array: Any) -> bool:
    return hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__")


def is_on_device(array: Any) -> bool:
    return array.__dlpack_device__()[0] not in _ON_HOST


def describe(array: Any) -> tuple[int, int, DataType]:
    """Address, number of elements and type.

    The capsule is only looked at, not consumed: the memory is the exporter's, which has to live
    during the call like any other array.
    """
    capsule = array.__dlpack__()
    tensor = DLTensor.from_address(_get_pointer(capsule, b"dltensor"))
    name = f"{_KINDS.get(tensor.code, 'unknown')}{tensor.bits}"
    if tensor.lanes != 1 or name not in _TYPES:
        raise TypeError(f"libeccl has no type for DLPack's {name} x {tensor.lanes}")
    count = 1
    # From the last dimension on; those of one element may have any stride.
    for i in reversed(range(tensor.dimensions)):
        if tensor.strides and tensor.shape[i] != 1 and tensor.strides[i] != count:
            raise ValueError("the array is not contiguous")
        count *= tensor.shape[i]
    return (tensor.data or 0) + tensor.byte_offset, count, _TYPES[name]
