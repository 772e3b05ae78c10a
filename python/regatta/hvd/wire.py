"""Compression by libeccl: what travels is smaller, what that loses is added to the next step.

The same for all frameworks; `Compression` of each of them has these beside Horovod's own.
"""

import functools
from typing import Any, ClassVar, NamedTuple

from regatta.eccl import Compressor, EcclError, WireFormat
from regatta.hvd.reductions import Average, Sum

__all__ = ["Wire", "WireCompression", "WireCompressions", "check_momentum", "plain", "wire_of"]

_FLOATS = frozenset(("float16", "bfloat16", "float32", "float64"))


class Wire(NamedTuple):
    """How the values of an all-reduce cross the wire; the same on all ranks, part of a request."""

    format: int
    error_feedback: bool = True
    inside_hosts: bool = False
    int8_group: int = 256
    topk_ratio: float = 0.001
    momentum: float = 0.0
    clip_norm: float = 0.0
    warmup_steps: int = 0
    powersgd_rank: int = 4
    minimum_elements: int = 1024

    def applies(self, shape: tuple[int, ...], dtype: str) -> bool:
        """Tell whether a tensor is compressed; small ones, and vectors in PowerSGD, are not."""
        if dtype not in _FLOATS or _count(shape) < max(self.minimum_elements, 1):
            return False
        return self.format != WireFormat.POWER_SGD or _rows(shape) > 1

    def describe(self) -> str:
        """Name the format and the options that are not the default."""
        usual = Wire(self.format)
        options = [
            f"{name}={value:g}"
            for name, value in self._asdict().items()
            if value != getattr(usual, name)
        ]
        return " ".join([WireFormat(self.format).name.lower(), *options])

    def make(self, shape: tuple[int, ...]) -> Compressor:
        """Return what compresses a tensor of this shape."""
        return Compressor(
            WireFormat(self.format),
            error_feedback=self.error_feedback,
            inside_hosts=self.inside_hosts,
            int8_group=self.int8_group,
            topk_ratio=self.topk_ratio,
            momentum=self.momentum,
            clip_norm=self.clip_norm,
            warmup_steps=self.warmup_steps,
            powersgd_rank=self.powersgd_rank,
            powersgd_rows=_rows(shape),
        )


def _count(shape: tuple[int, ...]) -> int:
    return functools.reduce(lambda product, extent: product * extent, shape, 1)


def _rows(shape: tuple[int, ...]) -> int:
    """Return the rows of a tensor as a matrix: dimensions are split where that is squarest.

    So a convolution's filters are rows or columns in torch's order of dimensions and TensorFlow's.
    """
    total, rows, best = _count(shape), 1, 1
    for extent in shape[:-1]:
        rows *= extent
        if rows and max(rows, total // rows) < max(best, total // best):
            best = rows
    return best


class WireCompression:
    """One way of compressing; call it to get one with other options.

    ``compress`` and ``decompress`` are those of Horovod's interface and change nothing: libeccl
    compresses what it sends.
    """

    wire: Wire

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def _with(self, **options: Any) -> Any:
        wire = Wire(self.wire.format, **options)
        if wire.minimum_elements < 0:
            raise ValueError("minimum_elements is not negative")
        try:
            wire.make(()).close()
        except (EcclError, TypeError) as failed:
            raise ValueError(str(failed)) from failed
        return type(self)(wire)

    @staticmethod
    def compress(tensor: Any) -> tuple[Any, None]:
        """Return the tensor itself."""
        return tensor, None

    @staticmethod
    def decompress(tensor: Any, context: None) -> Any:
        """Return the tensor itself."""
        return tensor


class _Dense(WireCompression):
    def __call__(
        self,
        *,
        error_feedback: bool = True,
        inside_hosts: bool = False,
        minimum_elements: int = 1024,
    ) -> "_Dense":
        """Return one with these options.

        Parameters
        ----------
        error_feedback : bool
            Add what rounding loses to the next step's values.
        inside_hosts : bool
            Compress between ranks of one host, too, where memory is faster than rounding.
        minimum_elements : int
            Smaller tensors travel as they are, together.
        """
        return self._with(
            error_feedback=error_feedback,
            inside_hosts=inside_hosts,
            minimum_elements=minimum_elements,
        )


class _Int8(WireCompression):
    def __call__(
        self,
        *,
        group: int = 256,
        error_feedback: bool = True,
        inside_hosts: bool = False,
        minimum_elements: int = 1024,
    ) -> "_Int8":
        """Return one with these options; as for ``fp16_feedback``, and

        Parameters
        ----------
        group : int
            Values that share a scale: a power of two, 16 to 32768.
        """
        return self._with(
            int8_group=group,
            error_feedback=error_feedback,
            inside_hosts=inside_hosts,
            minimum_elements=minimum_elements,
        )


class _TopK(WireCompression):
    def __call__(
        self,
        *,
        ratio: float = 0.001,
        momentum: float = 0.0,
        clip_norm: float = 0.0,
        warmup_steps: int = 0,
        minimum_elements: int = 1024,
    ) -> "_TopK":
        """Return one with these options.

        Parameters
        ----------
        ratio : float
            Share of a tensor's values that a rank sends a step: those of largest magnitude. The
            others wait, and grow.
        momentum : float
            Momentum correction: what waits has the optimizer's momentum, which the optimizer
            itself then must not have.
        clip_norm : float
            Scale a tensor's values down to a norm of this, divided by the root of the number of
            ranks, before they are added to what waits. 0: never.
        warmup_steps : int
            Steps over which the ratio falls from 0.25.
        minimum_elements : int
            Smaller tensors travel as they are, together, without momentum and clipping: 0 for none
            where ``momentum`` is used.
        """
        return self._with(
            topk_ratio=ratio,
            momentum=momentum,
            clip_norm=clip_norm,
            warmup_steps=warmup_steps,
            # The optimizer has no momentum then: each tensor needs that of its compressor.
            minimum_elements=0 if momentum else minimum_elements,
        )


class _PowerSgd(WireCompression):
    def __call__(
        self, *, rank: int = 4, error_feedback: bool = True, minimum_elements: int = 1024
    ) -> "_PowerSgd":
        """Return one with these options.

        Parameters
        ----------
        rank : int
            Columns of the two factors that a tensor is approximated by, 1 to 256.
        error_feedback : bool
            Add what the approximation loses to the next step's values.
        minimum_elements : int
            Smaller tensors travel as they are, together; so do vectors.
        """
        return self._with(
            powersgd_rank=rank, error_feedback=error_feedback, minimum_elements=minimum_elements
        )


class WireCompressions:
    """What ``Compression`` of each framework has beside Horovod's.

    ``fp16_feedback`` and ``bf16_feedback`` (16 bits between hosts, sums in float32), ``int8``,
    ``topk`` (with ``momentum`` it is deep gradient compression, for which ``dgc`` is another name
    with its usual options), ``powersgd``. What was not sent is kept by the name of the tensor,
    until ``hvd.shutdown()`` or the removal of its process set.
    """

    fp16_feedback: ClassVar = _Dense(Wire(WireFormat.FLOAT16))
    bf16_feedback: ClassVar = _Dense(Wire(WireFormat.BFLOAT16))
    int8: ClassVar = _Int8(Wire(WireFormat.INT8))
    topk: ClassVar = _TopK(Wire(WireFormat.TOP_K))
    powersgd: ClassVar = _PowerSgd(Wire(WireFormat.POWER_SGD))

    @staticmethod
    def dgc(
        *,
        ratio: float = 0.001,
        momentum: float = 0.9,
        clip_norm: float = 0.0,
        warmup_steps: int = 0,
    ) -> _TopK:
        """Return deep gradient compression: top-k with momentum correction.

        The optimizer is one without momentum. The options are those of ``topk``.
        """
        return WireCompressions.topk(
            ratio=ratio, momentum=momentum, clip_norm=clip_norm, warmup_steps=warmup_steps
        )


def wire_of(
    compression: Any,
    op: int,
    tensors: list[tuple[tuple[int, ...], str]],
    named: bool,
) -> tuple[Any, ...]:
    """Return a request's ``wire``, () when none of the tensors (shape and type) is compressed.

    Raises
    ------
    ValueError
        When the operation cannot be compressed, or there is no name to keep the rest under.
    """
    wire = getattr(compression, "wire", None)
    if wire is None:
        return ()
    if op not in (Average, Sum):
        raise ValueError("only Average and Sum can be compressed by int8, topk, powersgd and kin")
    if not any(wire.applies(shape, dtype) for shape, dtype in tensors):
        return ()
    if wire.error_feedback and not named:
        raise ValueError(
            "compression with error feedback needs a name, under which what was not sent is kept "
            "for the next call of that name"
        )
    return tuple(wire)


def plain(compression: Any, what: str) -> Any:
    """Return the compression if ``what`` can use it, one that converts tensors."""
    if isinstance(compression, WireCompression):
        raise ValueError(
            f"{what} can be compressed by Compression.fp16 and bf16 only; the others are for "
            "all-reduces"
        )
    return compression


def check_momentum(compression: Any, momentum: float) -> None:
    """Refuse momentum in the optimizer beside that of the compression."""
    wire = getattr(compression, "wire", None)
    if wire is not None and wire.momentum and momentum:
        raise ValueError(
            f"the optimizer has a momentum of {momentum:g} and the compression one of "
            f"{wire.momentum:g}: with Compression.dgc the optimizer has none"
        )
