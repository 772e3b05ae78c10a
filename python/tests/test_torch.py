"""The back end ``eccl`` of torch.distributed, with real processes."""

import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
import torch
from conftest import Job, Start
from regatta.torch import build

NEWER = int(torch.__version__.split(".")[0]) >= 2


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compile the adapter once, with the compiler's cache if there is one."""
    with pytest.MonkeyPatch.context() as patch:
        if "CXX" not in os.environ and shutil.which("ccache"):
            patch.setenv("CXX", "ccache c++")
        build.adapter()


def run(
    start: Start, function: str, size: int, script: str = "c10d_workers.py", **environment: str
) -> list[str]:
    job = start(function, size, "torchrun", script, **environment)
    done = job.wait()
    failed = [f"rank {rank}:\n{one.output}" for rank, one in enumerate(done) if one.code != 0]
    assert not failed, f"{len(failed)} of {size} ranks failed\n" + "\n".join(failed)
    return [one.output for one in done]


@pytest.mark.parametrize("size", [2, 3])
def test_reductions_of_every_type(start: Start, size: int) -> None:
    run(start, "reduced", size)


@pytest.mark.parametrize("size", [2, 3])
def test_movements_of_every_type(start: Start, size: int) -> None:
    run(start, "moved", size)


def test_asynchronous_calls_run_in_order(start: Start) -> None:
    run(start, "ordered", 3)


def test_wrong_arguments_are_refused_with_their_reason(start: Start) -> None:
    run(start, "wrong", 2)


@pytest.mark.parametrize("size", [2, 3])
def test_messages_in_any_order(start: Start, size: int) -> None:
    run(start, "messages", size)


def test_waits_that_nobody_answers_end_with_a_name(start: Start) -> None:
    run(start, "lonely", 2)


def test_twenty_groups_at_once(start: Start) -> None:
    run(start, "groups", 4)


@pytest.mark.skipif(not NEWER, reason="torch 1.13 has no way to abort a group")
def test_an_abort_ends_all_waits(start: Start) -> None:
    for output in run(start, "aborted", 2):
        assert "done" in output


@pytest.mark.parametrize("sparse", ["0", "1"])
def test_ddp_gives_the_losses_of_gloo(start: Start, sparse: str) -> None:
    losses = {
        backend: [
            [float.fromhex(one) for one in output.split()]
            for output in run(start, "train", 2, BACKEND=backend, SPARSE=sparse)
        ]
        for backend in ("eccl", "gloo")
    }
    for ours, theirs in zip(losses["eccl"], losses["gloo"], strict=True):
        assert len(ours) == 30
        assert ours == theirs  # two summands: one order, so the same bits
        assert sum(ours[-5:]) < sum(ours[:5])


def test_a_killed_rank_is_named_to_the_others_at_once(start: Start) -> None:
    job = start("killed", 3, "torchrun", "c10d_workers.py")
    for rank in range(3):
        skip_to(job, rank, "ready")
    job.processes[2].kill()
    died = time.monotonic()
    for rank in range(2):
        error = skip_to(job, rank, "error")
        assert time.monotonic() - died < 3
        assert "rank 2 (host" in error and "allreduce #" in error
    for one in job.wait()[:2]:
        assert one.code == 0 and "done" in one.output, one.output


def skip_to(job: Job, rank: int, word: str) -> str:
    for _ in itertools.repeat(None, 100):
        line = job.line(rank)
        if line.startswith(word):
            return line
    raise AssertionError(f"rank {rank} never said {word}")


def test_without_a_compiler_the_error_says_what_to_do(tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "regatta.torch"],
        env=os.environ
        | {
            "CXX": "no-such-compiler",
            "REGATTA_TORCH_CACHE": str(tmp_path),
            "PYTHONPATH": str(pathlib.Path(__file__).parent.parent),
        },
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'no C++ compiler "no-such-compiler"' in done.stderr
    assert "install g++, or set CXX" in done.stderr
