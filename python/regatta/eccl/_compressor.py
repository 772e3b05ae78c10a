"""What compresses the all-reduces of one tensor."""

import ctypes

from regatta import _library
from regatta.eccl._types import CompressorInfo, WireFormat, check


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
        check(self._library.ecclCompressorCreate(ctypes.byref(handle), ctypes.byref(config)))
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
            check(self._library.ecclCompressorDestroy(handle))

    def reset(self) -> None:
        """Forget what is owed, as if it were new; do it on all ranks."""
        check(self._library.ecclCompressorReset(self.handle))

    def info(self) -> CompressorInfo:
        """Return what it holds now."""
        info = _library.CompressorInfo()
        check(self._library.ecclCompressorGetInfo(self.handle, ctypes.byref(info)))
        return CompressorInfo(info.steps, info.count, info.sent_bytes, info.residual_norm)

    def state(self) -> bytes:
        """Return the state, for this rank's part of a checkpoint."""
        size = ctypes.c_size_t()
        check(self._library.ecclCompressorSave(self.handle, None, ctypes.byref(size)))
        state = ctypes.create_string_buffer(size.value)
        check(self._library.ecclCompressorSave(self.handle, state, ctypes.byref(size)))
        return state.raw

    def restore(self, state: bytes) -> None:
        """Go on from what `state` returned, with the same options."""
        check(self._library.ecclCompressorRestore(self.handle, state, len(state)))
