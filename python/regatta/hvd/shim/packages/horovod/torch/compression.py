"""``horovod.torch.compression``."""

from regatta.hvd.torch.compression import Compression, Compressor

__all__ = ["Compression", "Compressor"]
