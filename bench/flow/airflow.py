"""Airflow's `dags test`: one process that runs a DAG to its end, states in its SQLite file."""

import pathlib
import shutil
import sqlite3

from bench.harness import process
from bench.harness.case import Wrong
from bench.harness.peers import CACHE, venv

REQUIREMENT = "apache-airflow==3.3.2"
HERE = pathlib.Path(__file__).resolve().parent


def home() -> pathlib.Path:
    return CACHE / "airflow" / "home"


def environment(steps: int) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home()),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home() / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "CHAIN_STEPS": str(steps),
    }


def prepare() -> None:
    python = venv("airflow", REQUIREMENT)
    dags = home() / "dags"
    dags.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "peers/airflow_chain.py", dags / "chain.py")
    process.run([str(python.parent / "airflow"), "db", "migrate"], environment(1))


def chain(steps: int) -> process.Cost:
    airflow = str(venv("airflow", REQUIREMENT).parent / "airflow")
    cost = process.run(
        [airflow, "dags", "test", f"chain_{steps}"], environment(steps), timeout=1800
    )
    with sqlite3.connect(home() / "airflow.db") as connection:
        query = (
            "SELECT COUNT(*) FROM task_instance WHERE state = 'success' AND run_id = "
            "(SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1)"
        )
        (succeeded,) = connection.execute(query, (f"chain_{steps}",)).fetchone()
    if succeeded != steps:
        raise Wrong(f"airflow: {succeeded} of {steps} tasks succeeded")
    return cost
