"""Numbers, errors and records of libeccl."""

import enum
from dataclasses import dataclass

from regatta import _library


class Result(enum.IntEnum):
    SUCCESS = 0
    SYSTEM_ERROR = 2
    INTERNAL_ERROR = 3
    INVALID_ARGUMENT = 4
    INVALID_USAGE = 5
    REMOTE_ERROR = 6
    IN_PROGRESS = 7
    TIMEOUT = 8
    ABORTED = 9
    MISMATCH = 10


class DataType(enum.IntEnum):
    INT8 = 0
    UINT8 = 1
    INT32 = 2
    UINT32 = 3
    INT64 = 4
    UINT64 = 5
    FLOAT16 = 6
    FLOAT32 = 7
    FLOAT64 = 8
    BFLOAT16 = 9


class ReduceOp(enum.IntEnum):
    SUM = 0
    PROD = 1
    MAX = 2
    MIN = 3
    AVG = 4
    # Of integers only.
    BAND = 5
    BOR = 6
    BXOR = 7


class WireFormat(enum.IntEnum):
    """How values cross the wire in a compressed all-reduce."""

    FLOAT16 = 1
    BFLOAT16 = 2
    INT8 = 3
    TOP_K = 4
    POWER_SGD = 5


class EcclError(RuntimeError):
    """A call of libeccl failed; ``result`` says how, the text names ranks and operation."""

    def __init__(self, result: int, text: str) -> None:
        super().__init__(text)
        self.result = Result(result)


@dataclass(frozen=True)
class UniqueId:
    """Names a communicator to be. Holds an address and a secret: treat ``data`` as one."""

    data: bytes


@dataclass(frozen=True)
class OpInfo:
    """What a communicator did last, with which algorithm, why that one, over which transport."""

    sequence: int
    operation: str
    algorithm: str
    transport: str
    microseconds: int
    reason: str


@dataclass(frozen=True)
class CompressorInfo:
    """What a compressor holds, and what its last call cost this rank."""

    steps: int
    count: int
    sent_bytes: int
    residual_norm: float


def last_error() -> str:
    """Return the text of the last call of this thread that failed."""
    return _library.load().ecclGetLastError(None).decode(errors="replace")


def check(result: int) -> None:
    """Raise what a call returned, unless it is success."""
    if result != 0:
        raise EcclError(result, last_error())
