"""What the engine itself costs: chains of steps that do nothing, in us and in other engines.

The cost of a step is the difference between a long chain and a chain of one, divided by the steps
between them; start-up is reported by itself, so that an engine that starts slowly does not look
slow at every step, nor hide slow steps behind a short chain.
"""

import functools
import json
import os
import pathlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable

from bench.harness import process
from bench.harness.case import Case, Contender, Figure, Missing, Must, Wrong
from bench.harness.machine import ROOT, fsync_floor_ms, our_version
from bench.harness.peers import CACHE, venv

HERE = pathlib.Path(__file__).resolve().parent
FLOW_BENCH = ROOT / "build/release/bench/flow/flow_bench"
AIRFLOW = "apache-airflow==3.3.2"
DAGSTER = "dagster==1.13.29"


def per_step(
    run_chain: Callable[[int], process.Cost], steps: int
) -> Callable[[], dict[str, float]]:
    """Measures a chain of one and a chain of `steps`."""

    def measure() -> dict[str, float]:
        one, many = run_chain(1), run_chain(steps)
        return {
            "cpu": (many.cpu_ms - one.cpu_ms) / (steps - 1),
            "wall": (many.wall_ms - one.wall_ms) / (steps - 1),
            "start": one.wall_ms,
        }

    return measure


def write_chain(folder: pathlib.Path, steps: int) -> str:
    lines = ["name: chain", "parallelism: 8", "entry_points:"]
    for i in range(steps):
        lines += [f"  s{i}:", '    command: "true"']
        if i:
            lines.append(f"    deps: s{i - 1}")
    path = folder / "chain.yaml"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def regatta_chain(steps: int) -> process.Cost:
    """The engine on a new SQLite file, durable commits, with the executor that starts nothing."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = write_chain(pathlib.Path(folder), steps)
        cost = process.run([str(FLOW_BENCH), pipeline, folder])
    told = json.loads(cost.output)
    if told != {"steps": steps, "succeeded": steps}:
        raise Wrong(f"regatta: {told['succeeded']} of {steps} steps succeeded")
    return cost


def built() -> None:
    if not FLOW_BENCH.is_file():
        raise Missing("build/release has no flow_bench; make build makes it")


def airflow_home() -> pathlib.Path:
    return CACHE / "airflow" / "home"


def airflow_environment(steps: int) -> dict[str, str]:
    home = airflow_home()
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "CHAIN_STEPS": str(steps),
    }


def prepare_airflow() -> None:
    python = venv("airflow", AIRFLOW)
    dags = airflow_home() / "dags"
    dags.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "peers/airflow_chain.py", dags / "chain.py")
    process.run([str(python.parent / "airflow"), "db", "migrate"], airflow_environment(1))


def airflow_chain(steps: int) -> process.Cost:
    airflow = str(venv("airflow", AIRFLOW).parent / "airflow")
    cost = process.run(
        [airflow, "dags", "test", f"chain_{steps}"],
        airflow_environment(steps),
        timeout=1800,
    )
    with sqlite3.connect(airflow_home() / "airflow.db") as connection:
        query = (
            "SELECT COUNT(*) FROM task_instance WHERE state = 'success' AND run_id = "
            "(SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1)"
        )
        (succeeded,) = connection.execute(query, (f"chain_{steps}",)).fetchone()
    if succeeded != steps:
        raise Wrong(f"airflow: {succeeded} of {steps} tasks succeeded")
    return cost


def dagster_chain(steps: int) -> process.Cost:
    """In process, with its SQLite storage in a new home: the durable way to run it alone."""
    python = venv("dagster", DAGSTER)
    with tempfile.TemporaryDirectory() as home:
        script = str(HERE / "peers/dagster_chain.py")
        return process.run([str(python), script, str(steps)], {"DAGSTER_HOME": home})


def cases(quick: bool) -> list[Case]:
    steps = 20 if quick else 1000
    # Slow engines get shorter chains; the cost of a step does not depend on the length there.
    slow = 20 if quick else 100
    name = f"chain of {steps:,} no-op steps"
    figures = [
        Figure("cpu", "CPU a step", name, "ms", must=Must(0.5)),
        Figure("wall", "wall time a step", name, "ms", must=Must(1.0), floor=fsync_floor_ms),
        Figure("start", "start to end of one step", "chain of 1 no-op step", "ms"),
    ]
    return [
        Case(
            figures,
            Contender("regatta", per_step(regatta_chain, steps), built, our_version),
            [
                Contender(
                    f"airflow dags test ({slow})",
                    per_step(airflow_chain, slow),
                    prepare=prepare_airflow,
                    version=lambda: AIRFLOW.split("==")[1],
                ),
                Contender(
                    f"dagster in process ({slow})",
                    per_step(dagster_chain, slow),
                    prepare=functools.partial(venv, "dagster", DAGSTER),
                    version=lambda: DAGSTER.split("==")[1],
                ),
            ],
            rounds=int(os.environ.get("ROUNDS", "3")),
        )
    ]
