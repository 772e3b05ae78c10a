"""Smaller numbers on the wire."""

import paddle

from regatta.hvd.wire import WireCompressions

__all__ = ["Compression", "Compressor"]


class Compressor:
    """Turns a tensor into what travels, and back."""

    @staticmethod
    def compress(tensor: paddle.Tensor) -> tuple[paddle.Tensor, paddle.dtype | None]:
        """Return what travels and what `decompress` needs to know."""
        raise NotImplementedError

    @staticmethod
    def decompress(tensor: paddle.Tensor, context: paddle.dtype | None) -> paddle.Tensor:
        """Return the tensor in its first type."""
        raise NotImplementedError


class _None(Compressor):
    @staticmethod
    def compress(tensor: paddle.Tensor) -> tuple[paddle.Tensor, paddle.dtype | None]:
        return tensor, None

    @staticmethod
    def decompress(tensor: paddle.Tensor, context: paddle.dtype | None) -> paddle.Tensor:
        return tensor


def _sixteen_bits(wire: paddle.dtype) -> type[Compressor]:
    class SixteenBits(Compressor):
        @staticmethod
        def compress(tensor: paddle.Tensor) -> tuple[paddle.Tensor, paddle.dtype | None]:
            if tensor.is_floating_point() and tensor.dtype != wire:
                return tensor.astype(wire), tensor.dtype
            return tensor, None

        @staticmethod
        def decompress(tensor: paddle.Tensor, context: paddle.dtype | None) -> paddle.Tensor:
            return tensor if context is None else tensor.astype(context)

    return SixteenBits


class Compression(WireCompressions):
    """``none``; ``fp16`` and ``bf16`` convert to 16 bits; and those of libeccl."""

    none = _None
    fp16 = _sixteen_bits(paddle.float16)
    bf16 = _sixteen_bits(paddle.bfloat16)
