"""Snakemake: a real process for each step, and the best at seeing that nothing has changed."""

import pathlib
import tempfile

from bench.harness import process
from bench.harness.case import Wrong
from bench.harness.peers import venv

REQUIREMENT = "snakemake==9.27.1"


def prepare() -> None:
    venv("snakemake", REQUIREMENT)


def run(folder: pathlib.Path, steps: int) -> process.Cost:
    """Asks for all files; eight at a time, whatever the machine has."""
    snakemake = str(venv("snakemake", REQUIREMENT).parent / "snakemake")
    cost = process.run(
        [snakemake, "--cores", "8", "--quiet", "rules", "host", "progress"],
        {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")},
        cwd=folder,
        timeout=1800,
    )
    made = sum(1 for path in folder.glob("s*") if path.name[1:].isdigit())
    if made != steps:
        raise Wrong(f"snakemake: {made} of {steps} files are there")
    return cost


def write_independent(folder: pathlib.Path, steps: int) -> None:
    (folder / "Snakefile").write_text(
        f'rule all:\n    input: [f"s{{i}}" for i in range({steps})]\n'
        'rule step:\n    output: "s{i,[0-9]+}"\n    shell: "touch {output}"\n'
    )


def processes(steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_independent(folder, steps)
        return {"wall": run(folder, steps).wall_ms / 1000}


class Unchanged:
    """Files made once and asked for again each round. (A chain of 1,000 ends it with an error.)"""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.folder: tempfile.TemporaryDirectory[str] | None = None

    def prepare(self) -> None:
        prepare()
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        write_independent(folder, self.steps)
        run(folder, self.steps)

    def measure(self) -> dict[str, float]:
        assert self.folder is not None
        folder = pathlib.Path(self.folder.name)
        before = (folder / "s0").stat().st_mtime_ns
        cost = run(folder, self.steps)
        if (folder / "s0").stat().st_mtime_ns != before:
            raise Wrong("snakemake ran a step again though nothing has changed")
        return {"wall": cost.wall_ms, "cpu": cost.cpu_ms}
