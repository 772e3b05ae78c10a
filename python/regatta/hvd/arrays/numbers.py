"""Number types by their names, also the one that NumPy does not have."""

import numpy as np

from regatta.eccl import DataType, Memory

__all__ = ["NUMBERS", "TYPES", "memory", "narrow", "scale", "storage", "wide", "widen"]

# Arrays of bfloat16 hold its bits as uint16.
_BITS = "bfloat16"
TYPES = frozenset(
    (
        "bool",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "uint64",
        "int32",
        "int64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    )
)
_NATIVE = {
    "uint8": DataType.UINT8,
    "int8": DataType.INT8,
    "int32": DataType.INT32,
    "int64": DataType.INT64,
    "float16": DataType.FLOAT16,
    "bfloat16": DataType.BFLOAT16,
    "float32": DataType.FLOAT32,
    "float64": DataType.FLOAT64,
}
NUMBERS = frozenset(_NATIVE)  # what can be reduced; the others can be sent


def storage(name: str) -> np.dtype:
    """Return the type of the arrays that hold numbers of the type ``name``."""
    return np.dtype(np.uint16 if name == _BITS else name)


def memory(array: np.ndarray, name: str) -> Memory:
    """Show libeccl an array as numbers of the type ``name``."""
    return Memory(array.ctypes.data, array.size, _NATIVE[name], array)


def wide(name: str) -> np.dtype:
    """Return the type in which numbers of the type ``name`` are calculated with."""
    return np.dtype(np.float32 if name in (_BITS, "float16") else name)


def widen(array: np.ndarray, name: str) -> np.ndarray:
    """Return the values in the type in which they are calculated with; the array itself if it is
    of that type.
    """
    if name != _BITS:
        return array.astype(wide(name), copy=False)
    return (array.astype(np.uint32) << 16).view(np.float32)


def narrow(values: np.ndarray, name: str) -> np.ndarray:
    """Return values in the type ``name``, rounded to nearest even."""
    if name != _BITS:
        return values.astype(name, copy=False)
    exact = np.ascontiguousarray(values, np.float32)
    bits = exact.view(np.uint32)
    with np.errstate(over="ignore"):
        rounded = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> 16).astype(
            np.uint16
        )
    # Rounding up could make an infinity of a NaN, or a zero.
    return np.where(np.isnan(exact), np.uint16(0x7FC0), rounded)


def scale(array: np.ndarray, name: str, factor: float) -> None:
    """Multiply in place; integers as doubles, toward zero."""
    if factor == 1.0:
        return
    if array.dtype.kind == "f" and name != "float16":
        np.multiply(array, array.dtype.type(factor), out=array)
    elif name in (_BITS, "float16"):
        with np.errstate(over="ignore"):
            array[...] = narrow(widen(array, name) * np.float32(factor), name)
    else:
        array[...] = (array.astype(np.float64) * factor).astype(array.dtype)
