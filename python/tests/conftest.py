"""Starts real jobs: one process a rank, each running a function of workers.py."""

import dataclasses
import os
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

_HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass
class Finished:
    code: int
    output: str


class Job:
    """The ranks of one job."""

    def __init__(self, processes: list["subprocess.Popen[str]"]) -> None:
        self.processes = processes

    def wait(self, limit: float = 240) -> list[Finished]:
        """Wait for all; their outputs by rank."""
        deadline = time.monotonic() + limit
        done = []
        for process in self.processes:
            output, _ = process.communicate(timeout=max(deadline - time.monotonic(), 0.1))
            done.append(Finished(process.returncode, output))
        return done

    def line(self, rank: int) -> str:
        """Read the next line of a rank."""
        stream = self.processes[rank].stdout
        assert stream is not None
        return stream.readline().strip()

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


Start = Callable[..., Job]


@pytest.fixture
def start() -> Iterator[Start]:
    """``start("function", 2, VARIABLE="value")`` starts a job of two ranks."""
    jobs = []

    def run(
        function: str,
        size: int,
        launcher: str = "horovod",
        script: str = "workers.py",
        **environment: str,
    ) -> Job:
        rank_name, size_name, place = {
            "horovod": ("HOROVOD_RANK", "HOROVOD_SIZE", "ECCL_MASTER"),
            "torchrun": ("RANK", "WORLD_SIZE", "MASTER"),
        }[launcher]
        base = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ECCL_", "HOROVOD_", "MASTER_", "RANK", "WORLD_"))
        }
        base["PYTHONPATH"] = str(_HERE.parent)
        base["OMP_NUM_THREADS"] = "1"
        base |= {
            f"{place}_ADDR": "127.0.0.1",
            f"{place}_PORT": str(free_port()),
            "ECCL_JOB_TOKEN": "the tests' token",
            "ECCL_INIT_TIMEOUT_MS": "200000",
            size_name: str(size),
        } | environment
        job = Job(
            [
                subprocess.Popen(
                    [sys.executable, str(_HERE / script), function],
                    env=base | {rank_name: str(rank)},
                    text=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                for rank in range(size)
            ]
        )
        jobs.append(job)
        return job

    yield run
    for job in jobs:
        job.kill()
