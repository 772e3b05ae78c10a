"""``horovod.torch.elastic.sampler``."""

from regatta.hvd.torch.elastic.sampler import ElasticSampler

__all__ = ["ElasticSampler"]
