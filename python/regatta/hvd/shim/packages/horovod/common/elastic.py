"""``horovod.common.elastic``."""

from regatta.hvd.elastic import ObjectState, State

__all__ = ["ObjectState", "State"]
