"""regatta.hvd.tensorflow and regatta.hvd.keras with real processes."""

import os
import pathlib
import subprocess
import sys

import pytest
from conftest import Job, Start

tf = pytest.importorskip("tensorflow", reason="runs in the lane frameworks, which has TensorFlow")

import regatta.hvd.keras as hvd_keras  # noqa: E402 (after the check)
import regatta.hvd.tensorflow as hvd  # noqa: E402

# Horovod's names, facts of its documentation.
_COMMON = """
init shutdown is_initialized start_timeline stop_timeline size local_size cross_size rank
local_rank cross_rank is_homogeneous mpi_threads_supported mpi_enabled mpi_built gloo_enabled
gloo_built nccl_built ddl_built ccl_built cuda_built rocm_built ProcessSet global_process_set
add_process_set remove_process_set Average Sum Adasum Min Max Product Compression elastic allreduce
allgather broadcast reducescatter DistributedOptimizer PartialDistributedOptimizer
broadcast_global_variables broadcast_object allgather_object SyncBatchNormalization
HorovodInternalError
"""
_TENSORFLOW = """
grouped_allreduce grouped_allgather broadcast_ alltoall grouped_reducescatter join barrier rank_op
local_rank_op size_op local_size_op process_set_included_op broadcast_variables broadcast_object_fn
DistributedGradientTape PartialDistributedGradientTape
"""
_CALLBACKS = """
BroadcastGlobalVariablesCallback MetricAverageCallback LearningRateScheduleCallback
LearningRateWarmupCallback
"""
_SCRIPT = "tensorflow_workers.py"


def expect_success(job: Job) -> list[str]:
    done = job.wait()
    for rank, one in enumerate(done):
        assert one.code == 0, f"rank {rank}:\n{one.output}"
    return [one.output for one in done]


def missing(module: object, names: str) -> list[str]:
    return [name for name in names.split() if not hasattr(module, name)]


def test_nothing_of_horovods_is_missing() -> None:
    assert missing(hvd, _COMMON + _TENSORFLOW) == []
    assert missing(hvd_keras, _COMMON + "load_model callbacks") == []
    assert missing(hvd_keras.callbacks, _CALLBACKS) == []
    assert missing(hvd.elastic, "run TensorFlowState TensorFlowKerasState State ObjectState") == []
    assert missing(hvd_keras.elastic, "run KerasState CommitStateCallback") == []
    assert missing(hvd, "no_such_name") == ["no_such_name"]
    for module in (hvd, hvd_keras):
        assert missing(module, " ".join(module.__all__)) == []


@pytest.mark.parametrize(("size", "transport"), [(2, "shm"), (3, "shm"), (3, "tcp")])
def test_operations(start: Start, size: int, transport: str) -> None:
    expect_success(start("operations", size, script=_SCRIPT, ECCL_TRANSPORT=transport))


def test_a_killed_rank_is_named_by_the_others(start: Start) -> None:
    job = start("forever", 3, script=_SCRIPT)
    while job.line(1) != "step":
        assert job.processes[1].poll() is None
    job.processes[1].kill()
    for number, one in enumerate(job.wait()):
        if number != 1:
            assert one.code == 0, one.output
            assert "HorovodInternalError" in one.output and "rank 1" in one.output, one.output


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("function", ["tape", "fit"])
def test_training_on_digits_equals_one_process_on_the_whole_batch(
    start: Start, function: str, size: int
) -> None:
    expect_success(start(function, size, script=_SCRIPT))


def test_compressed_gradients_learn_digits_as_well(start: Start) -> None:
    expect_success(start("compressed", 2, script=_SCRIPT))


@pytest.mark.parametrize("function", ["derivatives", "batch_norm"])
def test_the_rest_of_the_api(start: Start, function: str) -> None:
    expect_success(start(function, 3, script=_SCRIPT))


def test_an_elastic_state_goes_back_to_its_commit(start: Start) -> None:
    # The same two ranks meet again where they met before.
    expect_success(start("elastic", 2, script=_SCRIPT))


def test_a_mismatch_is_named_on_all_ranks(start: Start) -> None:
    for output in expect_success(start("mismatch", 3, script=_SCRIPT)):
        assert output.count('"allreduce.weights"') >= 2 and "rank 2 submitted" in output
        assert "float32[4, 3]" in output and "float32[3, 4]" in output


def test_horovods_import_names_are_served() -> None:
    program = """
import horovod.tensorflow as hvd
import horovod.keras as keras_hvd
import horovod.tensorflow.keras
from horovod.keras.callbacks import MetricAverageCallback
from horovod.keras.elastic import CommitStateCallback
from horovod.tensorflow.compression import Compression
from horovod.tensorflow.elastic import TensorFlowKerasState
from horovod.tensorflow.functions import broadcast_object_fn
from horovod.tensorflow.keras.callbacks import LearningRateWarmupCallback
from horovod.tensorflow.keras.elastic import KerasState
from horovod.tensorflow.mpi_ops import rank_op
assert hvd.DistributedGradientTape.__module__ == "regatta.hvd.tensorflow.gradients"
assert horovod.tensorflow.keras.callbacks.MetricAverageCallback is MetricAverageCallback
keras_hvd.init()
assert int(rank_op()) == hvd.rank() == 0
"""
    folder = str(pathlib.Path(hvd.__file__).parents[1] / "shim" / "packages")
    paths = [folder, str(pathlib.Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        text=True,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_done_is_refused() -> None:
    hvd.init()
    try:
        with pytest.raises(ValueError, match="cannot be reduced; possible are bfloat16"):
            hvd.allreduce(tf.ones([1], tf.int16))
        with pytest.raises(ValueError, match="added or averaged only"):
            hvd.allreduce(tf.IndexedSlices(tf.ones([1]), tf.constant([0]), [2]), op=hvd.Max)
        with pytest.raises(TypeError, match="optimizer of Keras is needed, not int"):
            hvd.DistributedOptimizer(3)
        with pytest.raises(RuntimeError, match="broadcast_variables"):
            hvd.broadcast_global_variables(0)
        assert hvd.allreduce(tf.constant([4.0])).numpy().tolist() == [4.0]
    finally:
        hvd.shutdown()
