"""All-reduce of float32 over two ranks on one machine: libeccl, torch's gloo, OpenMPI."""

import json
import pathlib
import secrets
import subprocess

from bench.eccl import c10d, wires
from bench.eccl.ranks import RANKS, ranks_output
from bench.harness import process
from bench.harness.case import Case, Contender, Figure, Missing, Wrong
from bench.harness.machine import ROOT, our_version
from bench.harness.peers import CACHE, debian

HERE = pathlib.Path(__file__).resolve().parent
ECCL_BENCH = ROOT / "build/release/bench/eccl_bench"
SIZES = [8, 1 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20]


def human(size: int) -> str:
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            return f"{size >> shift} {unit}"
    return f"{size} B"


def medians(output: str, sizes: list[int]) -> dict[str, float]:
    found = {}
    for line in output.splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            found[str(entry["bytes"])] = float(entry["median_us"])
    if sorted(found) != sorted(map(str, sizes)):
        raise Wrong(f"measured {', '.join(found) or 'nothing'} instead of every size")
    return found


def built() -> None:
    if not ECCL_BENCH.is_file():
        raise Missing("build/release has no eccl_bench; make build makes it")


def debian_python() -> None:
    done = subprocess.run(
        ["/usr/bin/python3", "-c", "import torch.distributed"], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise Missing("Debian's python3-torch cannot be imported")


def torch_version() -> str:
    command = ["/usr/bin/python3", "-c", "import torch; print(torch.__version__)"]
    return "torch " + process.run(command).output.strip()


def mpi_program() -> str:
    compiler, program = debian("mpicc", "libopenmpi-dev"), CACHE / "mpi_allreduce"
    source = HERE / "mpi_allreduce.c"
    if not program.is_file() or program.stat().st_mtime < source.stat().st_mtime:
        CACHE.mkdir(parents=True, exist_ok=True)
        process.run([compiler, "-O2", "-o", str(program), str(source)])
    return str(program)


def cases(quick: bool) -> list[Case]:
    sizes = SIZES[:3] if quick else SIZES
    budget = "0.05" if quick else "1.0"
    listed = ",".join(map(str, sizes))
    token = {"REGATTA_JOB_TOKEN": secrets.token_hex(16)}

    def ours() -> dict[str, float]:
        return medians(ranks_output([str(ECCL_BENCH), listed, budget], token), sizes)

    def gloo() -> dict[str, float]:
        script = str(HERE / "gloo_allreduce.py")
        return medians(ranks_output(["/usr/bin/python3", script, listed, budget], {}), sizes)

    def mpi() -> dict[str, float]:
        launch = [debian("mpirun", "openmpi-bin"), "--allow-run-as-root", "--bind-to", "none"]
        launch += ["--oversubscribe", "-np", str(RANKS)]
        return medians(process.run([*launch, mpi_program(), listed, budget]).output, sizes)

    def mpi_version() -> str:
        return process.run(["mpirun", "--version"]).output.splitlines()[0]

    figures = [
        Figure(str(size), "all-reduce, float32 sum", f"{human(size)}, {RANKS} ranks", "us")
        for size in sizes
    ]
    return [
        Case(
            figures,
            Contender("libeccl", ours, built, our_version),
            [
                Contender("gloo", gloo, prepare=debian_python, version=torch_version),
                Contender(
                    "openmpi", mpi, prepare=lambda: mpi_program() and None, version=mpi_version
                ),
            ],
            rounds=3,
        ),
        *c10d.cases(quick),
        *wires.cases(quick),
    ]
