"""Steps that are real processes, by the program as people start it."""

import itertools
import json
import pathlib
import tempfile
from typing import Any

from bench.flow import pipelines
from bench.harness import process
from bench.harness.case import Wrong
from bench.harness.served import REGATTA, Api, serving


def run(steps: int) -> dict[str, float]:
    """`regatta run` from its start to its end, in a new home."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        home = str(folder / "home")
        path = pipelines.write(folder, pipelines.independent(steps))
        cost = process.run([str(REGATTA), "run", path, "--home", home, "--output", "json"])
        shown = process.run([str(REGATTA), "runs", "show", "last", "--home", home, "-o", "json"])
        counts = json.loads(shown.output)["run"]["step_counts"]
    if counts != {"succeeded": steps}:
        raise Wrong(f"regatta: of {steps} steps {counts}")
    return {"wall": cost.wall_ms / 1000}


def rank(api: Api, run_id: str, step: dict[str, Any]) -> dict[str, Any]:
    detail = api.request(f"/api/v1/runs/{run_id}/steps/{step['id']}")
    (only,) = detail["ranks"]
    return only


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency(steps: int, submissions: int) -> dict[str, float]:
    """Times of processes as the shims wrote them down, against when we asked or the one before."""
    with tempfile.TemporaryDirectory() as name, serving(pathlib.Path(name)) as api:
        submits = []
        for _ in range(submissions):
            run, submitted = api.run_to_the_end(pipelines.process_chain(1))
            (step,) = api.all_items(f"/api/v1/runs/{run['id']}/steps")
            submits.append(rank(api, run["id"], step)["started_at"] / 1000 - submitted * 1000)
        run, _ = api.run_to_the_end(pipelines.process_chain(steps))
        ranks = [
            rank(api, run["id"], step) for step in api.all_items(f"/api/v1/runs/{run['id']}/steps")
        ]
    if len(ranks) != steps:
        raise Wrong(f"regatta: {len(ranks)} of {steps} steps have a process")
    gaps = [
        (after["started_at"] - before["finished_at"]) / 1000
        for before, after in itertools.pairwise(ranks)
    ]
    if min(gaps) < 0 or min(submits) < 0:
        raise Wrong("regatta: a process started before the one that it waits for had ended")
    return {
        "submit": percentile(submits, 0.5),
        "submit_p99": percentile(submits, 0.99),
        "next": percentile(gaps, 0.5),
        "next_p99": percentile(gaps, 0.99),
    }
