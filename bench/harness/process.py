"""Starting a contender's processes and reading what they cost."""

import dataclasses
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence

from bench.harness.case import Wrong
from bench.harness.peers import last_line


@dataclasses.dataclass(frozen=True)
class Cost:
    wall_ms: float
    cpu_ms: float  # user and system time of the process and all descendants it waited for
    output: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float = 900,
) -> Cost:
    """Runs to the end and weighs it; a failure is Wrong, with the last line it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )
    wall = (time.perf_counter() - start) * 1000
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        said = last_line(done.stderr or done.stdout)
        raise Wrong(f"{command[0]} ended with {done.returncode}: {said}")
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
    return Cost(wall, cpu, done.stdout)
