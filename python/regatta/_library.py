"""Finds and loads libeccl, and declares its functions to ctypes."""

import ctypes
import functools
import pathlib
from collections.abc import Callable

from regatta._places import find_library

UNIQUE_ID_BYTES = 128


class UniqueIdBytes(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_char * UNIQUE_ID_BYTES)]


class Config(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("timeout_ms", ctypes.c_int64),
        ("init_timeout_ms", ctypes.c_int64),
        ("transport", ctypes.c_char_p),
        ("algorithm", ctypes.c_char_p),
        ("job_token", ctypes.c_char_p),
        ("host", ctypes.c_char_p),
        ("exact", ctypes.c_int64),
        ("device", ctypes.c_char_p),
    ]


class CompressorConfig(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("format", ctypes.c_int),
        ("error_feedback", ctypes.c_int),
        ("inside_hosts", ctypes.c_int),
        ("int8_group", ctypes.c_size_t),
        ("topk_ratio", ctypes.c_double),
        ("momentum", ctypes.c_double),
        ("clip_norm", ctypes.c_double),
        ("warmup_steps", ctypes.c_uint64),
        ("powersgd_rank", ctypes.c_int),
        ("powersgd_rows", ctypes.c_size_t),
        ("seed", ctypes.c_uint64),
    ]


class CompressorInfo(ctypes.Structure):
    _fields_ = [
        ("steps", ctypes.c_uint64),
        ("count", ctypes.c_uint64),
        ("sent_bytes", ctypes.c_uint64),
        ("residual_norm", ctypes.c_double),
    ]


class OpInfo(ctypes.Structure):
    _fields_ = [
        ("sequence", ctypes.c_uint64),
        ("operation", ctypes.c_char_p),
        ("algorithm", ctypes.c_char_p),
        ("transport", ctypes.c_char_p),
        ("microseconds", ctypes.c_int64),
        ("reason", ctypes.c_char_p),
    ]


def find() -> pathlib.Path:
    """Return libeccl's file; OSError says where it was looked for."""
    return find_library("libeccl", "eccl", "REGATTA_ECCL_LIBRARY")


@functools.cache
def load() -> ctypes.CDLL:
    """Load libeccl once a process; OSError says where it was looked for."""
    library = ctypes.CDLL(str(find()))
    comm, pointer, count = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
    number, counts = ctypes.c_int, ctypes.POINTER(ctypes.c_size_t)
    signatures: dict[str, list[object]] = {
        "ecclGetVersion": [ctypes.POINTER(number)],
        "ecclGetUniqueId": [ctypes.POINTER(UniqueIdBytes)],
        "ecclUniqueIdFromEnvironment": [ctypes.POINTER(UniqueIdBytes)],
        "ecclCommInitRankConfig": [
            ctypes.POINTER(comm),
            number,
            UniqueIdBytes,
            number,
            ctypes.POINTER(Config),
        ],
        "ecclCommDestroy": [comm],
        "ecclCommAbort": [comm],
        "ecclCommCount": [comm, ctypes.POINTER(number)],
        "ecclCommUserRank": [comm, ctypes.POINTER(number)],
        "ecclCommGetAsyncError": [comm, ctypes.POINTER(number)],
        "ecclCommSetTimeout": [comm, ctypes.c_int64],
        "ecclCommSetStream": [comm, pointer],
        "ecclCommSplit": [comm, number, number, ctypes.POINTER(comm), ctypes.POINTER(Config)],
        "ecclCommShrink": [
            comm,
            ctypes.POINTER(number),
            number,
            ctypes.POINTER(comm),
            ctypes.POINTER(Config),
        ],
        "ecclCommGetLostRanks": [comm, ctypes.POINTER(number), number, ctypes.POINTER(number)],
        "ecclCommGetUniqueId": [comm, ctypes.POINTER(UniqueIdBytes)],
        "ecclCommGrow": [
            comm,
            number,
            ctypes.POINTER(UniqueIdBytes),
            number,
            ctypes.POINTER(comm),
            ctypes.POINTER(Config),
        ],
        "ecclGroupStart": [],
        "ecclGroupEnd": [],
        "ecclRequestWait": [pointer, ctypes.c_int64],
        "ecclRequestTest": [pointer, ctypes.POINTER(number)],
        "ecclCommGetLastOp": [comm, ctypes.POINTER(OpInfo)],
        "ecclCompressorCreate": [ctypes.POINTER(pointer), ctypes.POINTER(CompressorConfig)],
        "ecclCompressorDestroy": [pointer],
        "ecclCompressorReset": [pointer],
        "ecclCompressorGetInfo": [pointer, ctypes.POINTER(CompressorInfo)],
        "ecclCompressorSave": [pointer, pointer, counts],
        "ecclCompressorRestore": [pointer, ctypes.c_char_p, count],
    }
    calls: dict[str, list[object]] = {
        "ecclAllReduce": [pointer, pointer, count, number, number, comm],
        "ecclAllReduceCompressed": [pointer, pointer, count, number, number, pointer, comm],
        "ecclAllGatherV": [pointer, pointer, counts, number, comm],
        "ecclReduceScatter": [pointer, pointer, count, number, number, comm],
        "ecclBroadcast": [pointer, pointer, count, number, number, comm],
        "ecclReduce": [pointer, pointer, count, number, number, number, comm],
        "ecclGather": [pointer, pointer, count, number, number, comm],
        "ecclScatter": [pointer, pointer, count, number, number, comm],
        "ecclAllToAllV": [pointer, counts, pointer, counts, number, comm],
        "ecclBarrier": [comm],
        "ecclSend": [pointer, count, number, number, comm],
        "ecclRecv": [pointer, count, number, number, comm],
        "ecclSendRecv": [pointer, count, number, pointer, count, number, number, comm],
    }
    signatures |= calls
    # The same, submitted; they give a request.
    signatures |= {f"{name}Async": [*calls[name], ctypes.POINTER(pointer)] for name in calls}
    for name, arguments in signatures.items():
        function = getattr(library, name)
        function.restype = number
        function.argtypes = arguments
    for name, argument in (("ecclGetLastError", comm), ("ecclGetErrorString", number)):
        getattr(library, name).restype = ctypes.c_char_p
        getattr(library, name).argtypes = [argument]
    return library


@functools.cache
def call_site_setter() -> Callable[[bytes | None], object]:
    """Return ecclSetCallSite, called without giving up the GIL, which would cost more than it."""
    function = ctypes.PyDLL(load()._name).ecclSetCallSite
    # Without argtypes: bytes and None are passed as they are, without a look at their type.
    function.restype = None
    return function
