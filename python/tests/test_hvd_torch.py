"""regatta.hvd.torch with real processes."""

import json
import os
import pathlib
import signal
import time

import pytest
import regatta.hvd.torch as hvd
import torch
from conftest import Job, Start


def expect_success(job: Job) -> list[str]:
    done = job.wait()
    for rank, one in enumerate(done):
        assert one.code == 0, f"rank {rank}:\n{one.output}"
    return [one.output for one in done]


@pytest.mark.parametrize("transport", ["shm", "tcp"])
@pytest.mark.parametrize("size", [2, 4])
def test_operations(start: Start, size: int, transport: str) -> None:
    expect_success(start("operations", size, ECCL_TRANSPORT=transport))


@pytest.mark.parametrize("size", [2, 4])
def test_training_equals_one_process_on_the_whole_batch(start: Start, size: int) -> None:
    expect_success(start("gradients", size))


@pytest.mark.parametrize("size", [2, 3, 4])
def test_adasum_follows_its_definition(start: Start, size: int) -> None:
    expect_success(start("adasum", size))


@pytest.mark.parametrize(
    "function", ["process_sets", "uneven", "derivatives", "sparse", "groups", "batch_norm"]
)
def test_the_rest_of_the_api(start: Start, function: str) -> None:
    expect_success(start(function, 3))


def test_everything_works_without_a_cache(start: Start) -> None:
    expect_success(start("process_sets", 3, HOROVOD_CACHE_CAPACITY="0"))


def test_a_cache_that_is_too_small_changes_nothing_but_time(start: Start) -> None:
    expect_success(start("uneven", 2, HOROVOD_CACHE_CAPACITY="1"))
    expect_success(start("gradients", 2, HOROVOD_CACHE_CAPACITY="2"))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"HOROVOD_CACHE_CAPACITY": "5", "REGATTA_HVD_PARTITION_BYTES": "9000"},
        {"HOROVOD_FUSION_THRESHOLD": "3000", "HOROVOD_CYCLE_TIME": "0"},
    ],
)
def test_everything_at_once_in_any_order(start: Start, settings: dict[str, str]) -> None:
    expect_success(start("anything", 4, **settings))


def test_large_tensors_go_in_parts_and_others_between(start: Start, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "timeline.json"
    expect_success(
        start(
            "large",
            2,
            HOROVOD_TIMELINE=str(path),
            HOROVOD_TIMELINE_MARK_CYCLES="1",
            REGATTA_HVD_PARTITION_BYTES="65536",
        )
    )
    events = json.loads(path.read_text())
    parts = [
        event["args"]["elements"]
        for event in events
        if event["name"] == "ALLREDUCE" and event["args"]["tensors"] == ["allreduce.big"]
    ]
    assert len(parts) == 3 * 7
    assert parts[:2] == [[0, 16384], [16384, 32768]] and parts[6] == [98304, 100003]
    assert any(event["name"] == "CYCLE_START" for event in events)
    assert any(event["name"] == "NEGOTIATE_ALLREDUCE" for event in events)


def test_the_search_ends_with_the_same_values_on_all_ranks(
    start: Start, tmp_path: pathlib.Path
) -> None:
    log = tmp_path / "tuning.csv"
    expect_success(
        start(
            "tuned",
            2,
            HOROVOD_AUTOTUNE="1",
            HOROVOD_AUTOTUNE_LOG=str(log),
            HOROVOD_AUTOTUNE_WARMUP_SAMPLES="1",
            HOROVOD_AUTOTUNE_STEPS_PER_SAMPLE="2",
            HOROVOD_AUTOTUNE_BAYES_OPT_MAX_SAMPLES="6",
        )
    )
    lines = [line.split(",") for line in log.read_text().splitlines()]
    phases = [line[3] for line in lines[1:]]
    assert phases == ["warm-up"] + ["search"] * 6 + ["comparison"] * 10 + ["kept"]
    assert lines[1][:2] == [str(64 << 20), "1.000"], "it begins with the defaults"


def test_submissions_wait_when_too_much_is_under_way(start: Start) -> None:
    expect_success(start("crowded", 2, REGATTA_HVD_MAX_PENDING="4"))


def test_clipping_between_synchronize_and_step(start: Start) -> None:
    expect_success(start("clipping", 2))


def test_communication_overlaps_the_backward_pass(start: Start, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "timeline.json"
    # Small buffers: the first ones are full long before the last gradient is there.
    expect_success(
        start("overlap", 2, HOROVOD_TIMELINE=str(path), HOROVOD_FUSION_THRESHOLD=str(2 << 20))
    )
    for one in (path, tmp_path / "timeline.json.1"):
        events = json.loads(one.read_text())
        gradients = [event["ts"] for event in events if event["name"] == "gradient"]
        launches = [event for event in events if event["name"] == "ALLREDUCE"]
        assert len(gradients) == 24
        assert sum(len(event["args"]["tensors"]) for event in launches) == 24
        assert launches[0]["ts"] < max(gradients), "the first all-reduce started after backward"
        assert launches[0]["ts"] + launches[0]["dur"] < max(gradients), "it even ended before"


def test_the_background_thread_stays_on_its_core(start: Start) -> None:
    core = min(os.sched_getaffinity(0))
    outputs = expect_success(start("pinned", 2, HOROVOD_THREAD_AFFINITY=f"{core},{core}"))
    assert [json.loads(output) for output in outputs] == [[core], [core]]


def test_variables_without_effect_are_named(start: Start) -> None:
    outputs = expect_success(
        start("placement", 1, HOROVOD_TORUS_ALLREDUCE="1", HOROVOD_HIERARCHICAL_ALLREDUCE="1")
    )
    assert "HOROVOD_TORUS_ALLREDUCE has no effect: libeccl has no torus" in outputs[0]


def test_small_tensors_travel_together(start: Start, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "timeline.json"
    # A long cycle, so that all of them are there when it ends, on a busy machine too.
    expect_success(start("fusion", 2, HOROVOD_TIMELINE=str(path), HOROVOD_CYCLE_TIME="300"))
    events = json.loads(path.read_text())
    sizes = [len(event["args"]["tensors"]) for event in events if event["name"] == "ALLREDUCE"]
    assert sum(sizes) == 50
    assert len(sizes) <= 3, sizes
    expect_success(start("fusion", 2, HOROVOD_TIMELINE=str(path), HOROVOD_FUSION_THRESHOLD="0"))
    events = json.loads(path.read_text())
    assert sum(event["name"] == "ALLREDUCE" for event in events) == 50


@pytest.mark.parametrize("size", [2, 3])
def test_another_shape_is_an_error_on_all_ranks(start: Start, size: int) -> None:
    for output in expect_success(start("mismatch", size)):
        assert '"allreduce.weights"' in output
        assert f"rank {size - 1} submitted" in output or size == 2
        assert "float32[4, 3]" in output and "float32[3, 4]" in output


def test_a_killed_rank_is_named_to_the_others(start: Start) -> None:
    job = start("forever", 3)
    for rank in range(3):
        assert job.line(rank) == "ready"
    began = time.monotonic()
    os.kill(job.processes[1].pid, signal.SIGKILL)
    for rank in (0, 2):
        line = job.line(rank)
        assert line.startswith("error") and "rank 1 (host" in line, line
        assert f"pid {job.processes[1].pid}" in line
    assert time.monotonic() - began < 3
    assert [one.code for one in job.wait()] == [3, -signal.SIGKILL, 3]


@pytest.mark.parametrize("capacity", ["0", "1024"])
def test_a_rank_that_does_not_submit_is_warned_of_by_name(start: Start, capacity: str) -> None:
    outputs = expect_success(
        start(
            "stall",
            2,
            HOROVOD_CACHE_CAPACITY=capacity,
            HOROVOD_STALL_CHECK_TIME_SECONDS="1",
            HOROVOD_STALL_SHUTDOWN_TIME_SECONDS="2",
        )
    )
    assert '"allreduce.lonely" has waited 1 s for rank 1' in outputs[0]
    for output in outputs:
        assert "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS" in output


def test_a_rank_whose_program_ends_fails_what_waits_for_it(start: Start) -> None:
    done = start("leaves", 2).wait()
    assert done[1].code == 5
    assert "on rank 1" in done[0].output


def test_ranks_from_torchrun_variables(start: Start) -> None:
    outputs = expect_success(start("placement", 2, launcher="torchrun"))
    assert [json.loads(output) for output in outputs] == [[0, 2, 0, 2], [1, 2, 1, 2]]


def test_a_gpu_tensor_is_refused_clearly() -> None:
    class Elsewhere(torch.Tensor):
        device = torch.device("cuda:0")  # type: ignore[assignment]

    hvd.init()
    try:
        with pytest.raises(ValueError, match="works on CPU tensors; this one is on cuda:0"):
            hvd.allreduce(torch.ones(1).as_subclass(Elsewhere))
    finally:
        hvd.shutdown()


def test_one_process_needs_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOROVOD_RANK", "HOROVOD_SIZE", "RANK", "WORLD_SIZE", "ECCL_MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    hvd.init()
    try:
        assert (hvd.rank(), hvd.size(), hvd.local_rank(), hvd.cross_size()) == (0, 1, 0, 1)
        assert hvd.allreduce(torch.tensor([4.0])).tolist() == [4.0]
        with pytest.raises(ValueError, match="names twice"):
            hvd.DistributedOptimizer(
                torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1),
                [("a", torch.nn.Parameter(torch.ones(1)))] * 2,
            )
    finally:
        hvd.shutdown()
    with pytest.raises(ValueError, match=r"hvd.init\(\) has not been called"):
        hvd.rank()


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(ValueError, match="RANK is set, but WORLD_SIZE is not"):
        hvd.init()
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(ValueError, match="RANK=1 does not fit WORLD_SIZE=1"):
        hvd.init()
