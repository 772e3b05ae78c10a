"""Dagster in process, with its SQLite storage in a new home: the durable way to run it alone."""

import pathlib
import tempfile

from bench.harness import process
from bench.harness.peers import venv

REQUIREMENT = "dagster==1.13.29"
HERE = pathlib.Path(__file__).resolve().parent


def prepare() -> None:
    venv("dagster", REQUIREMENT)


def chain(steps: int) -> process.Cost:
    python = venv("dagster", REQUIREMENT)
    with tempfile.TemporaryDirectory() as home:
        script = str(HERE / "peers/dagster_chain.py")
        return process.run([str(python), script, str(steps)], {"DAGSTER_HOME": home})
