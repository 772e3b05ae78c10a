"""``horovod.torch.sync_batch_norm``."""

from regatta.hvd.torch.sync_batch_norm import SyncBatchNorm

__all__ = ["SyncBatchNorm"]
