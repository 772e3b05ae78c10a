"""``horovod.torch.mpi_ops``: the operations, under the name of Horovod's own module."""

from regatta.hvd.torch import *  # noqa: F403
