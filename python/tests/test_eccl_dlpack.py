"""Arrays that have only DLPack, on the host and on a simulated device."""

import ctypes
import os

import pytest

os.environ.setdefault("REGATTA_SIM_DEVICES", "1")

from regatta import _library
from regatta.eccl import Communicator, get_unique_id
from regatta.eccl._dlpack import DLTensor

EXT_DEV = 12  # DLDeviceType of what is none of the others
TABLE = [
    "last_error",
    "get_count",
    "get_properties",
    "open",
    "close",
    "memory_info",
    "allocate",
    "free",
    "host_allocate",
    "host_free",
    "host_register",
    "host_unregister",
    "copy",
]

_make_capsule = ctypes.pythonapi.PyCapsule_New
_make_capsule.restype = ctypes.py_object
_make_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Api(ctypes.Structure):
    """The beginning of regattaDeviceApi."""

    _fields_ = (
        ("version", ctypes.c_uint32),
        ("size", ctypes.c_size_t),
        ("kind", ctypes.c_char_p),
        *((name, ctypes.c_void_p) for name in TABLE),
    )


class Exporter:
    """A vector of float32 with nothing but DLPack."""

    def __init__(self, address: int, count: int, device: int, stride: int = 1) -> None:
        self._shape = (ctypes.c_int64 * 2)(1, count)
        self._strides = (ctypes.c_int64 * 2)(7, stride)
        self.tensor = DLTensor(address - 4, device, 0, 2, 2, 32, 1, self._shape, self._strides, 4)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.tensor.device_type, 0

    def __dlpack__(self) -> object:
        return _make_capsule(ctypes.addressof(self.tensor), b"dltensor", None)


class SimMemory:
    """Room for floats on sim:0."""

    def __init__(self, count: int) -> None:
        table = ctypes.POINTER(Api)()
        assert _library.load().ecclGetDeviceApi(b"sim", ctypes.byref(table)) == 0
        self.api = table.contents
        self.bytes = 4 * count
        self.context = ctypes.c_void_p()
        self.address = ctypes.c_void_p()
        assert self.call("open", ctypes.c_int(0), ctypes.byref(self.context)) == 0
        size = ctypes.c_size_t(self.bytes)
        assert self.call("allocate", self.context, size, ctypes.byref(self.address)) == 0

    def call(self, name: str, *arguments: object) -> int:
        return ctypes.CFUNCTYPE(ctypes.c_int)(getattr(self.api, name))(*arguments)

    def copy(self, to: object, source: object, direction: int) -> None:
        size = ctypes.c_size_t(self.bytes)
        assert self.call("copy", self.context, to, source, size, ctypes.c_int(direction)) == 0

    def close(self) -> None:
        assert self.call("free", self.context, self.address) == 0
        assert self.call("close", self.context) == 0


def test_a_device_array_is_reduced_where_it_is() -> None:
    values = (ctypes.c_float * 5)(1, 2, 3, 4, 5)
    got = (ctypes.c_float * 5)()
    source, target = SimMemory(5), SimMemory(5)
    source.copy(source.address, values, 0)
    with Communicator(0, 1, get_unique_id(), device="sim:0") as comm:
        comm.all_reduce(
            Exporter(source.address.value or 0, 5, EXT_DEV),
            Exporter(target.address.value or 0, 5, EXT_DEV),
        )
        assert comm.last_op().transport == "sim"
    target.copy(got, target.address, 1)
    assert list(got) == list(values)
    source.close()
    target.close()


def test_host_memory_works_and_what_does_not_fit_is_refused() -> None:
    values = (ctypes.c_float * 4)(1, 2, 3, 4)
    got = (ctypes.c_float * 4)()
    source = Exporter(ctypes.addressof(values), 4, 1)
    with Communicator(0, 1, get_unique_id()) as comm:
        comm.all_reduce(source, Exporter(ctypes.addressof(got), 4, 1))
        assert list(got) == list(values)
        with pytest.raises(ValueError, match="not contiguous"):
            comm.all_reduce(source, Exporter(ctypes.addressof(got), 2, 1, stride=2))
        with pytest.raises(ValueError, match="on a device, and this communicator has none"):
            comm.all_reduce(source, Exporter(ctypes.addressof(got), 4, EXT_DEV))
        source.tensor.bits = 24
        with pytest.raises(TypeError, match="float24"):
            comm.all_reduce(source, Exporter(ctypes.addressof(got), 4, 1))
