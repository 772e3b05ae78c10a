"""regatta.hvd.torch has every name, parameter and variable of Horovod's documentation."""

import inspect
import pathlib

import pytest
import regatta.hvd.torch as hvd

_NAMES = """
init shutdown is_initialized start_timeline stop_timeline size local_size cross_size rank
local_rank cross_rank is_homogeneous mpi_threads_supported mpi_enabled mpi_built gloo_enabled
gloo_built nccl_built ddl_built ccl_built cuda_built rocm_built allreduce allreduce_async
allreduce_ allreduce_async_ grouped_allreduce grouped_allreduce_async grouped_allreduce_
grouped_allreduce_async_ sparse_allreduce_async allgather allgather_async grouped_allgather
grouped_allgather_async broadcast broadcast_async broadcast_ broadcast_async_ alltoall
alltoall_async reducescatter reducescatter_async grouped_reducescatter
grouped_reducescatter_async join barrier poll synchronize ProcessSet global_process_set
add_process_set remove_process_set Average Sum Adasum Min Max Product HorovodInternalError
Compression DistributedOptimizer SyncBatchNorm broadcast_parameters broadcast_optimizer_state
broadcast_object allgather_object elastic
"""
_OPTIMIZER = """
optimizer named_parameters compression backward_passes_per_step op gradient_predivide_factor
num_groups groups sparse_as_dense process_set
"""
_STATE = "commit restore sync check_host_updates register_reset_callbacks"
_VARIABLES = """
FUSION_THRESHOLD CYCLE_TIME CACHE_CAPACITY AUTOTUNE AUTOTUNE_LOG AUTOTUNE_WARMUP_SAMPLES
AUTOTUNE_STEPS_PER_SAMPLE AUTOTUNE_BAYES_OPT_MAX_SAMPLES AUTOTUNE_GAUSSIAN_PROCESS_NOISE TIMELINE
TIMELINE_MARK_CYCLES STALL_CHECK_DISABLE STALL_CHECK_TIME_SECONDS STALL_SHUTDOWN_TIME_SECONDS
HIERARCHICAL_ALLREDUCE HIERARCHICAL_ALLGATHER TORUS_ALLREDUCE ELASTIC THREAD_AFFINITY GLOO_IFACE
DISABLE_GROUP_FUSION
"""


def missing(where: object, names: str) -> list[str]:
    return [name for name in names.split() if not hasattr(where, name)]


def test_no_name_is_missing() -> None:
    assert missing(hvd, _NAMES) == []
    assert missing(hvd.Compression, "none fp16") == []
    assert missing(hvd.elastic, "run TorchState State ObjectState ElasticSampler") == []
    assert missing(hvd.elastic.TorchState, _STATE) == []
    assert missing(hvd, "rank no_such_name") == ["no_such_name"]
    assert missing(hvd, " ".join(hvd.__all__)) == []


def test_the_optimizer_takes_horovods_parameters_in_their_order() -> None:
    given = list(inspect.signature(hvd.DistributedOptimizer).parameters)
    assert given[: len(_OPTIMIZER.split())] == _OPTIMIZER.split()


@pytest.mark.parametrize("name", _VARIABLES.split())
def test_a_variable_is_read_or_refused(name: str) -> None:
    package = pathlib.Path(hvd.__file__).parents[1]
    sources = [path for path in package.rglob("*.py") if "shim" not in path.parts]
    assert any(f'"HOROVOD_{name}"' in path.read_text() for path in sources)
