"""Smaller numbers on the wire."""

import torch

from regatta.hvd.wire import WireCompressions

__all__ = ["Compression", "Compressor"]


class Compressor:
    """Turns a tensor into what travels, and back."""

    @staticmethod
    def compress(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.dtype | None]:
        """Return what travels and what `decompress` needs to know."""
        raise NotImplementedError

    @staticmethod
    def decompress(tensor: torch.Tensor, context: torch.dtype | None) -> torch.Tensor:
        """Return the tensor in its first type."""
        raise NotImplementedError


class _None(Compressor):
    @staticmethod
    def compress(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.dtype | None]:
        return tensor, None

    @staticmethod
    def decompress(tensor: torch.Tensor, context: torch.dtype | None) -> torch.Tensor:
        return tensor


def _sixteen_bits(wire: torch.dtype) -> type[Compressor]:
    class SixteenBits(Compressor):
        @staticmethod
        def compress(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.dtype | None]:
            if tensor.dtype.is_floating_point and tensor.dtype != wire:
                return tensor.to(wire), tensor.dtype
            return tensor, None

        @staticmethod
        def decompress(tensor: torch.Tensor, context: torch.dtype | None) -> torch.Tensor:
            return tensor if context is None else tensor.to(context)

    return SixteenBits


class Compression(WireCompressions):
    """``none``; ``fp16`` and ``bf16`` convert to 16 bits; and those of libeccl."""

    none = _None
    fp16 = _sixteen_bits(torch.float16)
    bf16 = _sixteen_bits(torch.bfloat16)
