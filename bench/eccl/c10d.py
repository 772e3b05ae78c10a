"""Small all-reduces through torch.distributed: the back end eccl against gloo of the same torch."""

import functools
import json
import os
import pathlib
import subprocess

from bench.eccl.ranks import RANKS, Values, ranks_output, together
from bench.harness import process
from bench.harness.case import Case, Contender, Figure, Missing, Must, Wrong
from bench.harness.machine import ROOT, our_version
from bench.harness.peers import last_line

SCRIPT = pathlib.Path(__file__).resolve().parent / "c10d_allreduce.py"
LIBRARY = ROOT / "build/release/src/eccl/libeccl.so"
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT / "python"),
    "REGATTA_ECCL_LIBRARY": str(LIBRARY),
    "REGATTA_TORCH_CACHE": str(ROOT / ".cache/torch-adapter"),
}
# The environments that the project is tested in; `tools/setup.sh --lane torch2` makes the second.
PYTHONS = (pathlib.Path("/usr/bin/python3"), ROOT / ".cache/torch2/bin/python")
SIZES = {8: "8 B", 1 << 10: "1 KiB", 4 << 10: "4 KiB", 16 << 10: "16 KiB"}
BOUND = 5


@functools.cache
def prepare(python: pathlib.Path) -> str:
    """Compiles the adapter; the version of that torch."""
    if not LIBRARY.is_file():
        raise Missing("build/release has no libeccl.so; make build makes it")
    if not python.is_file():
        raise Missing(f"{python} is not here")
    done = subprocess.run(
        [str(python), "-m", "regatta.torch"],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Missing(last_line(done.stderr))
    return process.run([str(python), "-c", "import torch; print(torch.__version__)"]).output.strip()


def measure(python: pathlib.Path, sizes: list[int], blocks: int) -> dict[str, Values]:
    command = [str(python), str(SCRIPT), ",".join(map(str, sizes)), str(blocks)]
    found: dict[str, Values] = {}
    for line in ranks_output(command, ENVIRONMENT).splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            found.setdefault(entry["backend"], {})[str(entry["bytes"])] = entry["median_us"]
    if any(len(found.get(name, {})) != len(sizes) for name in ("eccl", "gloo")):
        raise Wrong("c10d_allreduce.py did not measure every size on both")
    return found


def cases(quick: bool) -> list[Case]:
    chosen = []
    for python in PYTHONS:
        try:
            chosen.append(case(python, prepare(python), quick))
        except Missing as reason:
            # Our own contender may not be missing: without that torch there is no case.
            print(f"c10d all-reduce: left out: {reason}")
    return chosen


def case(python: pathlib.Path, version: str, quick: bool) -> Case:
    sizes = list(SIZES)[:1] if quick else list(SIZES)
    take = together(lambda: measure(python, sizes, 1 if quick else 11))
    release = ".".join(version.split(".")[:2])
    figures = [
        Figure(
            str(size),
            f"c10d all-reduce, torch {release}",
            f"{SIZES[size]}, {RANKS} ranks",
            "us",
            must=Must(BOUND, of="ratio"),
        )
        for size in sizes
    ]
    return Case(
        figures,
        Contender("libeccl", lambda: take("eccl"), version=our_version),
        [Contender("gloo", lambda: take("gloo"), version=lambda: f"torch {version}")],
        rounds=5,
    )
