"""``horovod.torch.elastic.state``."""

from regatta.hvd.torch.elastic.state import TorchState

__all__ = ["TorchState"]
