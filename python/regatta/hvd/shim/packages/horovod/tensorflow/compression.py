"""``horovod.tensorflow.compression``."""

from regatta.hvd.tensorflow.compression import Compression, Compressor

__all__ = ["Compression", "Compressor"]
