"""Peers that are installed for comparison only, each in an environment of its own."""

import functools
import os
import pathlib
import shutil
import subprocess

from bench.harness.case import Missing
from bench.harness.machine import ROOT

CACHE = ROOT / ".cache" / "peers"


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no output"


@functools.cache
def venv(name: str, *requirements: str) -> pathlib.Path:
    """The Python of an environment with these packages; made once, kept under .cache/peers.

    A smoke run (QUICK=1) installs nothing: there a peer that is not installed yet is missing.
    """
    folder = CACHE / name
    stamp = folder / "requirements"
    wanted = "\n".join(requirements)
    python = folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    if os.environ.get("QUICK"):
        raise Missing("not installed, and a smoke run installs nothing")
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        ["/usr/bin/python3", "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missing(f"{' '.join(requirements)}: {last_line(done.stderr)}")
    stamp.write_text(wanted)
    return python


def debian(program: str, package: str) -> str:
    """The path of a program that a Debian package brings; tools/setup.sh --lane bench installs."""
    found = shutil.which(program)
    if found is None and not os.environ.get("QUICK"):
        command = [str(ROOT / "tools/setup.sh"), "--lane", "bench"]
        subprocess.run(command, capture_output=True, check=False)
        found = shutil.which(program)
    if found is None:
        raise Missing(f"{program} is not here; Debian's {package} has it")
    return found
