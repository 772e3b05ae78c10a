"""regatta.hvd.paddle with real processes."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import Job, Start

paddle = pytest.importorskip("paddle", reason="runs in the lane frameworks, which has Paddle")

import regatta.hvd.paddle as hvd  # noqa: E402 (after the check)

# Horovod's functions for torch, facts of its documentation; Paddle has no edition there.
_HOROVOD = """
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


def expect_success(job: Job) -> list[str]:
    done = job.wait()
    for rank, one in enumerate(done):
        assert one.code == 0, f"rank {rank}:\n{one.output}"
    return [one.output for one in done]


def test_nothing_of_horovods_is_missing() -> None:
    assert [name for name in _HOROVOD.split() if not hasattr(hvd, name)] == []
    assert sorted(hvd.__all__) == sorted(set(hvd.__all__))
    assert all(hasattr(hvd, name) for name in hvd.__all__)


@pytest.mark.parametrize("transport", ["shm", "tcp"])
@pytest.mark.parametrize("size", [2, 3])
def test_operations(start: Start, size: int, transport: str) -> None:
    expect_success(start("operations", size, script="paddle_workers.py", ECCL_TRANSPORT=transport))


@pytest.mark.parametrize("size", [2, 3])
def test_training_on_digits_equals_one_process_on_the_whole_batch(start: Start, size: int) -> None:
    expect_success(start("gradients", size, script="paddle_workers.py"))


@pytest.mark.parametrize(
    "function",
    [
        *(
            "raw",
            "sets",
            "compressed",
            "derivatives",
            "state",
            "restored",
            "half",
            "clipping",
            "sparse",
        ),
        "batch_norm",
    ],
)
def test_the_rest_of_the_api(start: Start, function: str) -> None:
    expect_success(start(function, 3, script="paddle_workers.py"))


def test_large_parts_change_nothing(start: Start) -> None:
    expect_success(
        start("gradients", 2, script="paddle_workers.py", REGATTA_HVD_PARTITION_BYTES="2000")
    )


def test_an_elastic_state_goes_back_to_its_commit(start: Start) -> None:
    # The same two ranks meet again where they met before.
    expect_success(start("elastic", 2, script="paddle_workers.py"))


@pytest.mark.parametrize(("death", "back_to"), [(12, 10), (3, 0)])
def test_a_dead_rank_is_replaced(tmp_path: pathlib.Path, death: int, back_to: int) -> None:
    here = pathlib.Path(__file__).parent
    command = [
        *(sys.executable, "-m", "regatta.hvd.run", "-np", "3", "--min-np", "2"),
        *("--blacklist-cooldown-range", "0.2", "0.4", sys.executable),
        *(str(here / "paddle_elastic_worker.py"), str(death), str(tmp_path / "flag")),
    ]
    base = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECCL_", "HOROVOD_", "MASTER_", "RANK", "WORLD_"))
    }
    done = subprocess.run(
        command,
        env=base | {"PYTHONPATH": str(here.parent), "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ended with code -9" in done.stderr and "going back to the last commit" in done.stderr
    lines = re.findall(r"done rank=(\d) size=3 step=(\d+)", done.stdout)
    assert sorted(rank for rank, _ in lines) == ["0", "1", "2"], done.stdout
    assert len({step for _, step in lines}) == 1
    assert re.search(rf"reset size=\d step={back_to}$", done.stdout, re.MULTILINE), done.stdout


def test_a_mismatch_is_named_on_all_ranks(start: Start) -> None:
    for output in expect_success(start("mismatch", 3, script="paddle_workers.py")):
        assert '"allreduce.weights"' in output and "rank 2 submitted" in output
        assert "float32[4, 3]" in output and "float32[3, 4]" in output
        assert "bfloat16[2]" in output and "float16[2]" in output


def test_what_cannot_be_reduced_is_refused() -> None:
    hvd.init()
    try:
        with pytest.raises(ValueError, match="cannot be reduced; possible are bfloat16"):
            hvd.allreduce(paddle.ones([1], "int16"))
        with pytest.raises(TypeError, match=r"a paddle.Tensor is needed, not list"):
            hvd.allreduce([1.0])
        assert hvd.allreduce(paddle.to_tensor([4.0])).tolist() == [4.0]
    finally:
        hvd.shutdown()
