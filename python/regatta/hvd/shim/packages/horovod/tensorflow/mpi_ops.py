"""``horovod.tensorflow.mpi_ops``: the operations, under the name of Horovod's own module."""

from regatta.hvd.tensorflow import *  # noqa: F403
