"""``horovod.torch.optimizer``."""

from regatta.hvd.torch.optimizer import DistributedOptimizer

__all__ = ["DistributedOptimizer"]
