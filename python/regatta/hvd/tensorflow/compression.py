"""Smaller numbers on the wire."""

import tensorflow as tf

from regatta.hvd.wire import WireCompressions

__all__ = ["Compression", "Compressor"]


class Compressor:
    """Turns a tensor into what travels, and back."""

    @staticmethod
    def compress(tensor: tf.Tensor) -> tuple[tf.Tensor, tf.DType | None]:
        """Return what travels and what `decompress` needs to know."""
        raise NotImplementedError

    @staticmethod
    def decompress(tensor: tf.Tensor, context: tf.DType | None) -> tf.Tensor:
        """Return the tensor in its first type."""
        raise NotImplementedError


class _None(Compressor):
    @staticmethod
    def compress(tensor: tf.Tensor) -> tuple[tf.Tensor, tf.DType | None]:
        return tensor, None

    @staticmethod
    def decompress(tensor: tf.Tensor, context: tf.DType | None) -> tf.Tensor:
        return tensor


def _sixteen_bits(wire: tf.DType) -> type[Compressor]:
    class SixteenBits(Compressor):
        @staticmethod
        def compress(tensor: tf.Tensor) -> tuple[tf.Tensor, tf.DType | None]:
            if tensor.dtype.is_floating and tensor.dtype != wire:
                return tf.cast(tensor, wire), tensor.dtype
            return tensor, None

        @staticmethod
        def decompress(tensor: tf.Tensor, context: tf.DType | None) -> tf.Tensor:
            return tensor if context is None else tf.cast(tensor, context)

    return SixteenBits


class Compression(WireCompressions):
    """``none``; ``fp16`` and ``bf16`` convert to 16 bits; and those of libeccl."""

    none = _None
    fp16 = _sixteen_bits(tf.float16)
    bf16 = _sixteen_bits(tf.bfloat16)
