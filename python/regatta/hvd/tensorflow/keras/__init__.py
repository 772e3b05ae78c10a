"""Horovod's API for Keras over libeccl: ``import regatta.hvd.tensorflow.keras as hvd``."""

from regatta.hvd.basics import (
    add_process_set,
    barrier,
    cross_rank,
    cross_size,
    init,
    is_homogeneous,
    is_initialized,
    join,
    local_rank,
    local_size,
    rank,
    remove_process_set,
    shutdown,
    size,
    start_timeline,
    stop_timeline,
)
from regatta.hvd.builds import (
    ccl_built,
    cuda_built,
    ddl_built,
    gloo_built,
    gloo_enabled,
    mpi_built,
    mpi_enabled,
    mpi_threads_supported,
    nccl_built,
    rocm_built,
)
from regatta.hvd.errors import HorovodInternalError, HostsUpdatedInterrupt
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Adasum, Average, Max, Min, Product, Sum
from regatta.hvd.tensorflow.compression import Compression, Compressor
from regatta.hvd.tensorflow.functions import (
    allgather_object,
    broadcast_global_variables,
    broadcast_object,
)
from regatta.hvd.tensorflow.keras import callbacks, elastic
from regatta.hvd.tensorflow.keras.model import load_model
from regatta.hvd.tensorflow.keras.values import allgather, allreduce, broadcast, reducescatter
from regatta.hvd.tensorflow.optimizer import DistributedOptimizer, PartialDistributedOptimizer
from regatta.hvd.tensorflow.sync_batch_norm import SyncBatchNormalization

__all__ = [
    "Adasum",
    "Average",
    "Compression",
    "Compressor",
    "DistributedOptimizer",
    "HorovodInternalError",
    "HostsUpdatedInterrupt",
    "Max",
    "Min",
    "PartialDistributedOptimizer",
    "ProcessSet",
    "Product",
    "Sum",
    "SyncBatchNormalization",
    "add_process_set",
    "allgather",
    "allgather_object",
    "allreduce",
    "barrier",
    "broadcast",
    "broadcast_global_variables",
    "broadcast_object",
    "callbacks",
    "ccl_built",
    "cross_rank",
    "cross_size",
    "cuda_built",
    "ddl_built",
    "elastic",
    "global_process_set",
    "gloo_built",
    "gloo_enabled",
    "init",
    "is_homogeneous",
    "is_initialized",
    "join",
    "load_model",
    "local_rank",
    "local_size",
    "mpi_built",
    "mpi_enabled",
    "mpi_threads_supported",
    "nccl_built",
    "rank",
    "reducescatter",
    "remove_process_set",
    "rocm_built",
    "shutdown",
    "size",
    "start_timeline",
    "stop_timeline",
]
