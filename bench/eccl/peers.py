"""Libraries of collectives under measurement: how each is built and started."""

import json
import os
import pathlib
import secrets
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.eccl.ranks import ranks_output
from bench.harness import process
from bench.harness.case import Missing, Wrong
from bench.harness.machine import ROOT
from bench.harness.peers import CACHE, debian, last_line, venv

HERE = pathlib.Path(__file__).resolve().parent
ECCL_BENCH = ROOT / "build/release/bench/eccl_bench"
PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Library:
    """`output` runs a command line of measure.h on so many ranks and gives what rank 0 printed."""

    name: str
    output: Callable[[int, list[str]], str]
    prepare: Callable[[], object]
    version: Callable[[], str]


def entries(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def medians(found: list[dict[str, object]], sizes: list[int]) -> dict[str, float]:
    values = {str(entry["bytes"]): float(str(entry["median_us"])) for entry in found}
    if sorted(values) != sorted(map(str, sizes)):
        raise Wrong(f"measured {', '.join(values) or 'nothing'} instead of every size")
    return values


def _compiled(command: list[str], source: str, name: str) -> str:
    program, text = CACHE / name, HERE / source
    newest = max(text.stat().st_mtime, (HERE / "measure.h").stat().st_mtime)
    if not program.is_file() or program.stat().st_mtime < newest:
        CACHE.mkdir(parents=True, exist_ok=True)
        line = [command[0], "-std=c++17", "-O3", "-march=native", "-o", str(program), str(text)]
        done = subprocess.run(line + command[1:], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missing(f"{source} does not compile: {last_line(done.stderr)}")
    return str(program)


# --- libeccl ---


def _eccl(ranks: int, flags: list[str]) -> str:
    token = {"ECCL_JOB_TOKEN": secrets.token_hex(16)}
    return ranks_output([str(ECCL_BENCH), *flags], token, ranks)


def built() -> None:
    if not ECCL_BENCH.is_file():
        raise Missing("build/release has no eccl_bench; make build makes it")


# --- gloo ---


def _gloo(ranks: int, flags: list[str]) -> str:
    return ranks_output([PYTHON, str(HERE / "gloo_bench.py"), *flags], {}, ranks)


def _torch() -> None:
    command = [PYTHON, "-c", "import torch.distributed"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        raise Missing("Debian's python3-torch cannot be imported")


def _torch_version() -> str:
    command = [PYTHON, "-c", "import torch; print(torch.__version__)"]
    return "torch " + process.run(command).output.strip()


# --- OpenMPI ---


def _openmpi_program() -> str:
    return _compiled([debian("mpicxx", "libopenmpi-dev")], "mpi_bench.cc", "openmpi_bench")


def _openmpi(ranks: int, flags: list[str]) -> str:
    launch = [debian("mpirun", "openmpi-bin"), "--allow-run-as-root", "--bind-to", "none"]
    launch += ["--oversubscribe", "-np", str(ranks)]
    return process.run([*launch, _openmpi_program(), *flags]).output


def _openmpi_version() -> str:
    return process.run(["mpirun", "--version"]).output.splitlines()[0]


# --- MPICH ---


def _mpich_folder() -> pathlib.Path:
    return venv("mpich", "mpich==5.0.2").parent


def _mpich_program() -> str:
    return _compiled([str(_mpich_folder() / "mpicxx")], "mpi_bench.cc", "mpich_bench")


def _mpich(ranks: int, flags: list[str]) -> str:
    launch = [str(_mpich_folder() / "mpiexec"), "-bind-to", "none", "-n", str(ranks)]
    return process.run([*launch, _mpich_program(), *flags]).output


# --- oneCCL, over Intel MPI ---


def _oneccl_folder() -> pathlib.Path:
    return venv("oneccl", "oneccl-devel==2021.15.2", "impi-devel==2021.15.0").parent.parent


def _oneccl_program() -> str:
    folder = _oneccl_folder()
    link = [f"-I{folder}/include", f"-L{folder}/lib", f"-Wl,-rpath,{folder}/lib"]
    link += ["-Wl,--allow-shlib-undefined", "-lccl", "-lmpi"]
    return _compiled(["g++", *link], "oneccl_bench.cc", "oneccl_bench")


def _oneccl(ranks: int, flags: list[str]) -> str:
    folder = str(_oneccl_folder())
    environment: Mapping[str, str] = {
        **os.environ,
        "CCL_ROOT": folder,
        "CCL_LOG_LEVEL": "error",
        "I_MPI_ROOT": folder,
        "I_MPI_FABRICS": "shm",
        "FI_PROVIDER_PATH": f"{folder}/lib",
        "LD_LIBRARY_PATH": f"{folder}/lib",
    }
    launch = [f"{folder}/bin/mpiexec.hydra", "-n", str(ranks), _oneccl_program(), *flags]
    return process.run(launch, environment=environment).output


ECCL = _eccl
GLOO = Library("gloo", _gloo, _torch, _torch_version)
OPENMPI = Library("openmpi", _openmpi, _openmpi_program, _openmpi_version)
MPICH = Library("mpich", _mpich, _mpich_program, lambda: "MPICH 5.0.2")
ONECCL = Library("oneccl", _oneccl, _oneccl_program, lambda: "oneCCL 2021.15.2")
