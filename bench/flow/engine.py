"""Our engine by itself: on a new SQLite file, durable commits, an executor that starts nothing."""

import json
import pathlib
import sqlite3
import subprocess
import tempfile
import time
from typing import Any

from bench.flow import pipelines
from bench.harness import process
from bench.harness.case import Missing, Wrong
from bench.harness.machine import ROOT

FLOW_BENCH = ROOT / "build/release/bench/flow/flow_bench"


def built() -> None:
    if not FLOW_BENCH.is_file():
        raise Missing("build/release has no flow_bench; make build makes it")


def run(text: str, steps: int, folder: pathlib.Path) -> tuple[process.Cost, dict[str, Any]]:
    """One process that opens the folder's database, runs the pipeline to its end and leaves."""
    cost = process.run([str(FLOW_BENCH), pipelines.write(folder, text), str(folder)])
    told = json.loads(cost.output)
    if told["steps"] != steps or told["succeeded"] != steps:
        raise Wrong(f"regatta: {told['succeeded']} of {told['steps']} steps succeeded, not {steps}")
    return cost, told


def chain(steps: int) -> process.Cost:
    with tempfile.TemporaryDirectory() as folder:
        return run(pipelines.chain(steps), steps, pathlib.Path(folder))[0]


def mixed(small: int, large: int) -> dict[str, float]:
    """Both sizes in one round; what a step costs is without the start of the program."""
    per_step, told, wall = [], {}, 0.0
    start = chain(1).cpu_ms
    for steps in (small, large):
        text, total, _ = pipelines.mixed(steps)
        with tempfile.TemporaryDirectory() as folder:
            cost, told = run(text, total, pathlib.Path(folder))
        per_step.append((cost.cpu_ms - start) / total)
        wall = cost.wall_ms
    return {
        "wall": wall / 1000,
        "memory": told["peak_mib"],
        "small": per_step[0],
        "cpu": per_step[1],
        "growth": per_step[1] / per_step[0],
    }


def finished_steps(database: pathlib.Path) -> int:
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            (steps,) = connection.execute(
                "SELECT COUNT(*) FROM flow_steps WHERE state = 'succeeded'"
            ).fetchone()
        return steps
    except sqlite3.OperationalError:  # it is not there yet
        return 0


def recovery(steps: int) -> dict[str, float]:
    """How long the next owner needs to take up a run that was killed behind its half."""
    text, total, _ = pipelines.mixed(steps)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        command = [str(FLOW_BENCH), pipelines.write(folder, text), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as owner:
            while finished_steps(folder / "bench.db") < total // 2:
                if owner.poll() is not None:
                    raise Wrong("regatta: the run was over before it was killed")
                time.sleep(0.001)
            owner.kill()
        left = total - finished_steps(folder / "bench.db")
        _, told = run(pipelines.chain(1), 1, folder)
    if left <= 0:
        raise Wrong("regatta: nothing was left to take up")
    return {"open": told["open_ms"]}


def unchanged(text: str, total: int, cached: int) -> process.Cost:
    """The second run of a pipeline, in a process of its own, when nothing has changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        _, first = run(text, total, folder)
        cost, second = run(text, total, folder)
    if first["cached"] != 0 or second["cached"] != cached:
        raise Wrong(f"regatta: {first['cached']}, then {second['cached']} steps cached of {cached}")
    return cost
