"""Numbers, errors and records of libeccl_topo."""

import ctypes
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from regatta.topology import _library


class Result(enum.IntEnum):
    OK = 0
    SYSTEM_ERROR = 2
    INTERNAL_ERROR = 3
    INVALID_ARGUMENT = 4
    INVALID_USAGE = 5
    NOT_FOUND = 11
    UNAVAILABLE = 12


class Kind(enum.IntEnum):
    """What a part is."""

    HOST = 0
    SOCKET = 1
    NUMA = 2
    CACHE = 3
    CORES = 4
    HOST_BRIDGE = 5
    BRIDGE = 6
    NIC = 7
    ACCELERATOR = 8
    SWITCH = 9


class Distance(enum.IntEnum):
    """How far two parts are from each other, nearest first, in nvidia-smi's words."""

    LOC = 0
    NVL = 1
    PIX = 2
    PXB = 3
    PHB = 4
    NODE = 5
    SYS = 6
    NET = 7


class Format(enum.IntEnum):
    """Of texts; ``AUTO`` and ``HWLOC`` can only be read, ``SVG`` and ``TEXT`` only be written."""

    AUTO = 0
    JSON = 1
    NCCL = 2
    HWLOC = 3
    SVG = 4
    TEXT = 5


class TopologyError(RuntimeError):
    """A call of libeccl_topo failed; ``result`` says how, the text says what is wrong where."""

    def __init__(self, result: int, text: str) -> None:
        super().__init__(text)
        self.result = Result(result)


@dataclass(frozen=True)
class Part:
    """One part of a topology.

    Attributes
    ----------
    id
        Its place in the topology; what links and distances are asked by.
    host
        The id of its host; None of a switch.
    index
        The system's number of a socket, NUMA node or accelerator.
    numa
        The system's number of the NUMA node that it is at.
    rail
        Of a NIC or a switch of the network.
    bytes
        Memory of a NUMA node or accelerator, size of a cache; 0 where it is unknown.
    gigabytes_per_second
        Of a NIC's port, each direction; 0 where it is unknown.
    """

    id: int
    kind: Kind
    name: str
    parent: int | None
    host: int | None
    index: int | None
    numa: int | None
    rail: int | None
    compute_version: int | None
    cores: int
    threads: int
    bytes: int
    gigabytes_per_second: float
    vendor: str
    model: str
    bus_id: str
    cpus: str
    interface: str


@dataclass(frozen=True)
class Pair:
    """How far two parts are, and what goes between them.

    Attributes
    ----------
    gigabytes_per_second
        Each direction; 0 where it is unknown.
    latency_us
        One way, as a probe measured it; 0 where none did.
    """

    distance: Distance
    gigabytes_per_second: float
    latency_us: float


def check(result: int) -> None:
    """Raise what the library says of a call that failed."""
    if result != Result.OK:
        text = _library.load().eccl_topo_last_error().decode(errors="replace")
        raise TopologyError(result, text)


def text_of(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def known(number: int) -> int | None:
    return None if number < 0 else number


def take_text(export: Callable[..., int], *arguments: Any) -> str:
    """Call a function that gives a text, and free that."""
    text, length = ctypes.c_void_p(), ctypes.c_size_t()
    check(export(*arguments, ctypes.byref(text), ctypes.byref(length)))
    try:
        return ctypes.string_at(text.value or 0, length.value).decode(errors="replace")
    finally:
        _library.load().eccl_topo_free(text)


def get(function: Callable[..., int], structure: Any, *arguments: Any) -> Any:
    """Call a function that fills in a structure, and return that."""
    filled = structure(ctypes.sizeof(structure))
    check(function(*arguments, ctypes.byref(filled)))
    return filled
