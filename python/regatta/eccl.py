"""Collectives over libeccl: a thin, typed cover of its C API (include/regatta/eccl.h).

Arrays are anything with NumPy's ``__array_interface__`` or a CPU tensor of torch; they must be
contiguous. A call releases the GIL while it runs and raises `EcclError` when it fails.
"""

import ctypes
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from regatta import _library

__all__ = [
    "Communicator",
    "Compressor",
    "CompressorInfo",
    "DataType",
    "EcclError",
    "OpInfo",
    "ReduceOp",
    "Result",
    "UniqueId",
    "WireFormat",
    "get_unique_id",
    "unique_id_from_environment",
    "version",
]


class Result(enum.IntEnum):
    SUCCESS = 0
    SYSTEM_ERROR = 2
    INTERNAL_ERROR = 3
    INVALID_ARGUMENT = 4
    INVALID_USAGE = 5
    REMOTE_ERROR = 6
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
    """What a communicator did last, with which algorithm over which transport."""

    sequence: int
    operation: str
    algorithm: str
    transport: str
    microseconds: int


@dataclass(frozen=True)
class CompressorInfo:
    """What a compressor holds, and what its last call cost this rank."""

    steps: int
    count: int
    sent_bytes: int
    residual_norm: float


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
_TORCH_NAMES = {
    "torch.int8": DataType.INT8,
    "torch.uint8": DataType.UINT8,
    "torch.bool": DataType.UINT8,
    "torch.int32": DataType.INT32,
    "torch.int64": DataType.INT64,
    "torch.float16": DataType.FLOAT16,
    "torch.bfloat16": DataType.BFLOAT16,
    "torch.float32": DataType.FLOAT32,
    "torch.float64": DataType.FLOAT64,
}


def _check(result: int) -> None:
    if result != 0:
        raise EcclError(result, _library.load().ecclGetLastError(None).decode(errors="replace"))


def _describe(array: Any) -> tuple[int, int, DataType]:
    """Address, number of elements and type of an array."""
    if hasattr(array, "data_ptr"):
        if array.device.type != "cpu":
            raise ValueError(f"libeccl needs CPU tensors; this one is on {array.device}")
        if not array.is_contiguous():
            raise ValueError("the tensor is not contiguous; pass tensor.contiguous()")
        kind = _TORCH_NAMES.get(str(array.dtype))
        if kind is None:
            raise TypeError(f"libeccl has no type for {array.dtype}")
        return array.data_ptr(), array.numel(), kind
    interface = getattr(array, "__array_interface__", None)
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


def _pair(send: Any, receive: Any) -> tuple[tuple[int, int], tuple[int, int], DataType]:
    from_address, from_count, from_type = _describe(send)
    to_address, to_count, to_type = _describe(receive)
    if from_type != to_type:
        raise TypeError(f"send has type {from_type.name}, receive has {to_type.name}")
    return (from_address, from_count), (to_address, to_count), from_type


def version() -> int:
    """Return the version of the loaded library: major * 10000 + minor * 100 + patch."""
    number = ctypes.c_int()
    _check(_library.load().ecclGetVersion(ctypes.byref(number)))
    return number.value


def get_unique_id() -> UniqueId:
    """Make an id and listen for the other ranks; this process must become rank 0."""
    raw = _library.UniqueIdBytes()
    _check(_library.load().ecclGetUniqueId(ctypes.byref(raw)))
    return UniqueId(bytes(raw))


def unique_id_from_environment() -> UniqueId:
    """Make the same id on every rank from ECCL_MASTER_ADDR/PORT, else MASTER_ADDR/PORT."""
    raw = _library.UniqueIdBytes()
    _check(_library.load().ecclUniqueIdFromEnvironment(ctypes.byref(raw)))
    return UniqueId(bytes(raw))


class Compressor:
    """Compresses the all-reduces of one tensor, and remembers what was not sent yet.

    All ranks need one with the same options for the same tensor. It belongs to no communicator.

    Parameters
    ----------
    format : WireFormat
        How values cross the wire.
    error_feedback : bool
        Add what compression loses to the next call's values.
    inside_hosts : bool
        Compress with 16 bits and int8 between ranks of one host, too; top-k and PowerSGD always do.
    int8_group : int
        Values that share a scale: a power of two, 16 to 32768.
    topk_ratio : float
        Share of the values that a rank sends.
    momentum, clip_norm : float
        Deep gradient compression's momentum correction and clipping (of top-k); 0 for none.
    warmup_steps : int
        Calls over which the ratio falls from 0.25 to ``topk_ratio``.
    powersgd_rank, powersgd_rows : int
        Columns of the factors; rows of the tensor as a matrix, 0 for about square.
    seed : int
        Of PowerSGD's first factor.

    Raises
    ------
    EcclError
        When an option may not be what it is; the text names it.
    """

    def __init__(
        self,
        format: WireFormat,
        *,
        error_feedback: bool = True,
        inside_hosts: bool = False,
        int8_group: int = 256,
        topk_ratio: float = 0.001,
        momentum: float = 0.0,
        clip_norm: float = 0.0,
        warmup_steps: int = 0,
        powersgd_rank: int = 4,
        powersgd_rows: int = 0,
        seed: int = 1,
    ) -> None:
        self._library = _library.load()
        config = _library.CompressorConfig(
            ctypes.sizeof(_library.CompressorConfig),
            format,
            error_feedback,
            inside_hosts,
            int8_group,
            topk_ratio,
            momentum,
            clip_norm,
            warmup_steps,
            powersgd_rank,
            powersgd_rows,
            seed,
        )
        handle = ctypes.c_void_p()
        self.handle: int | None = None
        _check(self._library.ecclCompressorCreate(ctypes.byref(handle), ctypes.byref(config)))
        self.handle = handle.value
        self.format = WireFormat(format)

    def __enter__(self) -> "Compressor":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Not there when __init__ found no library.
        if getattr(self, "handle", None) is not None:
            self.close()

    def close(self) -> None:
        """Forget everything and free its memory. Closing twice is fine."""
        if self.handle is not None:
            handle, self.handle = self.handle, None
            _check(self._library.ecclCompressorDestroy(handle))

    def reset(self) -> None:
        """Forget what is owed, as if it were new; do it on all ranks."""
        _check(self._library.ecclCompressorReset(self.handle))

    def info(self) -> CompressorInfo:
        """Return what it holds now."""
        info = _library.CompressorInfo()
        _check(self._library.ecclCompressorGetInfo(self.handle, ctypes.byref(info)))
        return CompressorInfo(info.steps, info.count, info.sent_bytes, info.residual_norm)

    def state(self) -> bytes:
        """Return the state, for this rank's part of a checkpoint."""
        size = ctypes.c_size_t()
        _check(self._library.ecclCompressorSave(self.handle, None, ctypes.byref(size)))
        state = ctypes.create_string_buffer(size.value)
        _check(self._library.ecclCompressorSave(self.handle, state, ctypes.byref(size)))
        return state.raw

    def restore(self, state: bytes) -> None:
        """Go on from what `state` returned, with the same options."""
        _check(self._library.ecclCompressorRestore(self.handle, state, len(state)))


class Communicator:
    """One rank's end of a communicator; leaves it when closed.

    Parameters
    ----------
    rank, size : int
        This rank and the number of ranks.
    unique_id : UniqueId, optional
        Where to meet; from the environment when left out.
    timeout_ms, init_timeout_ms, transport, algorithm, job_token, host
        As in ``ecclConfig_t``; left out, they come from the environment.

    Raises
    ------
    EcclError
        When the ranks do not come together.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        unique_id: UniqueId | None = None,
        *,
        timeout_ms: int = 0,
        init_timeout_ms: int = 0,
        transport: str | None = None,
        algorithm: str | None = None,
        job_token: str | None = None,
        host: str | None = None,
    ) -> None:
        self._library = _library.load()
        self._handle: int | None = None
        self.rank = rank
        self.size = size
        if unique_id is None:
            unique_id = get_unique_id() if size == 1 else unique_id_from_environment()
        config = _library.Config(
            ctypes.sizeof(_library.Config),
            timeout_ms,
            init_timeout_ms,
            *(
                text.encode() if text is not None else None
                for text in (transport, algorithm, job_token, host)
            ),
        )
        handle = ctypes.c_void_p()
        raw = _library.UniqueIdBytes.from_buffer_copy(unique_id.data)
        _check(
            self._library.ecclCommInitRankConfig(
                ctypes.byref(handle), size, raw, rank, ctypes.byref(config)
            )
        )
        self._handle = handle.value

    def __enter__(self) -> "Communicator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error the others must not be left waiting for this rank.
        if error is None:
            self.close()
        else:
            self.abort()

    def close(self) -> None:
        """Leave in order. Closing twice is fine."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            _check(self._library.ecclCommDestroy(handle))

    def abort(self) -> None:
        """Leave at once: calls in progress fail, here and on the other ranks."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            _check(self._library.ecclCommAbort(handle))

    def last_op(self) -> OpInfo:
        """Return what ended well last."""
        info = _library.OpInfo()
        _check(self._library.ecclCommGetLastOp(self._handle, ctypes.byref(info)))
        return OpInfo(
            info.sequence,
            info.operation.decode(),
            info.algorithm.decode(),
            info.transport.decode(),
            info.microseconds,
        )

    def all_reduce(self, send: Any, receive: Any, op: ReduceOp = ReduceOp.SUM) -> None:
        """Combine element by element over all ranks; ``send`` and ``receive`` may be one array."""
        source, target, kind = _pair(send, receive)
        if source[1] != target[1]:
            raise ValueError(f"send has {source[1]} elements, receive has {target[1]}")
        _check(self._library.ecclAllReduce(source[0], target[0], source[1], kind, op, self._handle))

    def all_reduce_compressed(
        self, send: Any, receive: Any, compressor: Compressor, op: ReduceOp = ReduceOp.AVG
    ) -> None:
        """Combine by sum or avg, approximately: compressed on the wire. May be in place."""
        source, target, kind = _pair(send, receive)
        if source[1] != target[1]:
            raise ValueError(f"send has {source[1]} elements, receive has {target[1]}")
        _check(
            self._library.ecclAllReduceCompressed(
                source[0], target[0], source[1], kind, op, compressor.handle, self._handle
            )
        )

    def all_gather(self, send: Any, receive: Any, counts: Sequence[int] | None = None) -> None:
        """Collect all ranks' ``send`` in rank order; ``counts`` when they differ in length."""
        source, target, kind = _pair(send, receive)
        sizes = list(counts) if counts is not None else [source[1]] * self.size
        if len(sizes) != self.size or sizes[self.rank] != source[1] or sum(sizes) != target[1]:
            raise ValueError(
                f"counts {sizes} do not fit send of {source[1]} and receive of "
                f"{target[1]} elements over {self.size} ranks"
            )
        _check(
            self._library.ecclAllGatherV(
                source[0], target[0], self._counts(sizes), kind, self._handle
            )
        )

    def reduce_scatter(self, send: Any, receive: Any, op: ReduceOp = ReduceOp.SUM) -> None:
        """Combine over all ranks; this rank receives its part of ``size`` equal ones."""
        source, target, kind = _pair(send, receive)
        if source[1] != target[1] * self.size:
            raise ValueError(
                f"send has {source[1]} elements; {self.size} times receive's {target[1]} are needed"
            )
        _check(
            self._library.ecclReduceScatter(source[0], target[0], target[1], kind, op, self._handle)
        )

    def broadcast(self, array: Any, root: int = 0) -> None:
        """Overwrite ``array`` with that of ``root``."""
        address, count, kind = _describe(array)
        _check(self._library.ecclBroadcast(address, address, count, kind, root, self._handle))

    def reduce(
        self, send: Any, receive: Any = None, op: ReduceOp = ReduceOp.SUM, root: int = 0
    ) -> None:
        """Combine element by element over all ranks; only ``root`` needs and fills ``receive``."""
        source, target, kind = self._at_root(send, receive, root, "receive")
        if self.rank == root and source[1] != target[1]:
            raise ValueError(f"send has {source[1]} elements, receive has {target[1]}")
        _check(
            self._library.ecclReduce(source[0], target[0], source[1], kind, op, root, self._handle)
        )

    def gather(self, send: Any, receive: Any = None, root: int = 0) -> None:
        """Collect all ranks' ``send`` in rank order; only ``root`` needs and fills ``receive``."""
        source, target, kind = self._at_root(send, receive, root, "receive")
        if self.rank == root and target[1] != source[1] * self.size:
            raise ValueError(
                f"receive has {target[1]} elements; {self.size} times send's {source[1]} are needed"
            )
        _check(self._library.ecclGather(source[0], target[0], source[1], kind, root, self._handle))

    def scatter(self, send: Any, receive: Any, root: int = 0) -> None:
        """Give each rank its part of ``size`` equal ones; only ``root`` needs ``send``."""
        target, source, kind = self._at_root(receive, send, root, "send")
        if self.rank == root and source[1] != target[1] * self.size:
            raise ValueError(
                f"send has {source[1]} elements; {self.size} times receive's {target[1]} are needed"
            )
        _check(self._library.ecclScatter(source[0], target[0], target[1], kind, root, self._handle))

    def all_to_all(
        self, send: Any, send_counts: Sequence[int], receive: Any, receive_counts: Sequence[int]
    ) -> None:
        """Send part r of ``send`` to rank r and receive part r of ``receive`` from it."""
        source, target, kind = _pair(send, receive)
        if sum(send_counts) != source[1] or sum(receive_counts) != target[1]:
            raise ValueError("the counts do not add up to the arrays' lengths")
        _check(
            self._library.ecclAllToAllV(
                source[0],
                self._counts(send_counts),
                target[0],
                self._counts(receive_counts),
                kind,
                self._handle,
            )
        )

    def barrier(self) -> None:
        """Wait until all ranks have come here."""
        _check(self._library.ecclBarrier(self._handle))

    def send(self, array: Any, peer: int) -> None:
        """Send to one rank, which must call `receive`."""
        address, count, kind = _describe(array)
        _check(self._library.ecclSend(address, count, kind, peer, self._handle))

    def receive(self, array: Any, peer: int) -> None:
        """Receive from one rank, which must call `send`."""
        address, count, kind = _describe(array)
        _check(self._library.ecclRecv(address, count, kind, peer, self._handle))

    def send_receive(self, send: Any, to: int, receive: Any, source: int) -> None:
        """Send to one rank and receive from one, the same or another, at the same time."""
        outgoing, incoming, kind = _pair(send, receive)
        _check(self._library.ecclSendRecv(*outgoing, to, *incoming, source, kind, self._handle))

    def _at_root(
        self, everywhere: Any, only_at_root: Any, root: int, name: str
    ) -> tuple[tuple[int, int], tuple[int, int], DataType]:
        if self.rank != root:
            address, count, kind = _describe(everywhere)
            return (address, count), (0, 0), kind
        if only_at_root is None:
            raise ValueError(f"rank {root} is the root and needs {name}")
        return _pair(everywhere, only_at_root)

    def _counts(self, counts: Sequence[int]) -> Any:
        if len(counts) != self.size:
            raise ValueError(f"{len(counts)} counts were given for {self.size} ranks")
        return (ctypes.c_size_t * self.size)(*counts)
