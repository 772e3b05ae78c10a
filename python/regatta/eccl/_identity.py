"""The version, and ids of communicators to be."""

import ctypes

from regatta import _library
from regatta.eccl._types import UniqueId, check


def version() -> int:
    """Return the version of the loaded library: major * 10000 + minor * 100 + patch."""
    number = ctypes.c_int()
    check(_library.load().ecclGetVersion(ctypes.byref(number)))
    return number.value


def get_unique_id() -> UniqueId:
    """Make an id and listen for the other ranks; this process must become rank 0."""
    raw = _library.UniqueIdBytes()
    check(_library.load().ecclGetUniqueId(ctypes.byref(raw)))
    return UniqueId(bytes(raw))


def unique_id_from_environment() -> UniqueId:
    """Make the same id on every rank from ECCL_MASTER_ADDR/PORT, else MASTER_ADDR/PORT."""
    raw = _library.UniqueIdBytes()
    check(_library.load().ecclUniqueIdFromEnvironment(ctypes.byref(raw)))
    return UniqueId(bytes(raw))
