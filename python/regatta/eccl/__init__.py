"""Collectives over libeccl: a thin, typed cover of its C API (include/regatta/eccl.h).

Arrays are anything with NumPy's ``__array_interface__`` or ``__cuda_array_interface__``, a tensor
of torch or a CPU tensor of Paddle, whatever exports itself through DLPack, or `Memory`; they must
be contiguous. A call releases the GIL while it runs and raises `EcclError` when it fails.
"""

from regatta.eccl._arrays import Memory
from regatta.eccl._communicator import Communicator, Options
from regatta.eccl._compressor import Compressor
from regatta.eccl._group import Group
from regatta.eccl._identity import get_unique_id, unique_id_from_environment, version
from regatta.eccl._request import Request
from regatta.eccl._sites import set_call_site
from regatta.eccl._types import (
    CompressorInfo,
    DataType,
    EcclError,
    OpInfo,
    ReduceOp,
    Result,
    UniqueId,
    WireFormat,
)

__all__ = [
    "Communicator",
    "Compressor",
    "CompressorInfo",
    "DataType",
    "EcclError",
    "Group",
    "Memory",
    "OpInfo",
    "Options",
    "ReduceOp",
    "Request",
    "Result",
    "UniqueId",
    "WireFormat",
    "get_unique_id",
    "set_call_site",
    "unique_id_from_environment",
    "version",
]
