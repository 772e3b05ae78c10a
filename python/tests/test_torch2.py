"""What the back end ``eccl`` offers from torch 2 on; run by the lane torch2."""

import os
import pathlib
import subprocess
import sys
import tomllib

import pytest
import torch
from conftest import Start, free_port
from test_torch import compiled, run, skip_to  # noqa: F401

if int(torch.__version__.split(".")[0]) < 2:
    pytest.skip("needs torch 2", allow_module_level=True)

PYTHON = pathlib.Path(__file__).parent.parent


def test_the_back_end_is_there_without_an_import(tmp_path: pathlib.Path) -> None:
    """As with an installed package: the entry point of pyproject.toml is all that torch has."""
    project = tomllib.loads((PYTHON / "pyproject.toml").read_text())["project"]
    info = tmp_path / f"regatta-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: regatta\nVersion: {project['version']}\n")
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    program = """
import torch, torch.distributed as dist
dist.init_process_group("eccl")
value = torch.ones(2)
dist.all_reduce(value)
assert dist.get_backend() == "eccl" and value.tolist() == [1, 1]
dist.destroy_process_group()
"""
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path}:{PYTHON}",
        "RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert done.returncode == 0


def test_coalesced_calls_and_groups_made_from_groups(start: Start) -> None:
    run(start, "newer", 4, "c10d_newer.py")


def test_survivors_shrink_the_group_and_go_on(start: Start) -> None:
    job = start("shrunk", 3, "torchrun", "c10d_newer.py")
    for rank in range(3):
        skip_to(job, rank, "ready")
    job.processes[1].kill()
    outputs = job.wait()
    for rank in (0, 2):
        assert outputs[rank].code == 0 and "done" in outputs[rank].output, outputs[rank].output


def test_fsdp2_gives_the_losses_of_gloo(start: Start) -> None:
    losses = {
        backend: [
            [float.fromhex(one) for one in output.split()]
            for output in run(start, "sharded", 2, "c10d_newer.py", BACKEND=backend)
        ]
        for backend in ("eccl", "gloo")
    }
    for ours, theirs in zip(losses["eccl"], losses["gloo"], strict=True):
        assert len(ours) == 30
        assert ours == pytest.approx(theirs, rel=1e-6)
        assert sum(ours[-5:]) < sum(ours[:5])


@pytest.mark.parametrize("stage", ["1", "2", "3"])
def test_deepspeed_zero_gives_the_losses_of_gloo(start: Start, stage: str) -> None:
    programs = pathlib.Path(sys.executable).parent  # ninja, which DeepSpeed compiles a part with
    environment = {
        "STAGE": stage,
        "DS_ACCELERATOR": "cpu",
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    losses = {
        backend: [
            [float.fromhex(one) for one in line.split()[1:]]
            for output in run(start, "zero", 2, "c10d_zero.py", BACKEND=backend, **environment)
            for line in output.splitlines()
            if line.startswith("losses ")
        ]
        for backend in ("eccl", "gloo")
    }
    assert [len(one) for one in losses["eccl"]] == [30, 30]
    for ours, theirs in zip(losses["eccl"], losses["gloo"], strict=True):
        assert ours == theirs  # two summands: one order, so the same bits
        assert sum(ours[-5:]) < sum(ours[:5])
