"""``horovod.torch.elastic``."""

from regatta.hvd.torch.elastic import ElasticSampler, ObjectState, State, TorchState, run

__all__ = ["ElasticSampler", "ObjectState", "State", "TorchState", "run"]
