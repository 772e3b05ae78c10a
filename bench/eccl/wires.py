"""All-reduce of float32 in 16 and 8 bits over 1 Gbit/s, against our own exact one."""

import json
import os
import secrets
import subprocess

from bench.eccl import hosts
from bench.eccl.ranks import together
from bench.harness.case import Case, Contender, Figure, Missing, Must, Wrong
from bench.harness.machine import ROOT, our_version

WIRE_BENCH = ROOT / "build/release/bench/eccl_wire_bench"
RATE = "1gbit"
SIZES_MIB = (8, 16, 64)
MUSTS = {"bfloat16": 1.9, "float16": 1.9, "int8": 3.4}
EXACT = "float32"
PORT = "29517"  # in namespaces of our own nobody else has it

Medians = dict[str, dict[str, float]]  # wire -> size in MiB -> milliseconds


def measure(sizes_mib: tuple[int, ...], rounds: int) -> Medians:
    """One process on each of two hosts; every wire in turn."""
    token = secrets.token_hex(16)
    listed = ",".join(str(size << 20) for size in sizes_mib)
    with hosts.pair(RATE) as both:
        children = [
            subprocess.Popen(
                [*host.enter, str(WIRE_BENCH), listed, str(rounds)],
                env={
                    **os.environ,
                    "RANK": str(rank),
                    "WORLD_SIZE": "2",
                    "MASTER_ADDR": both[0].address,
                    "MASTER_PORT": PORT,
                    "ECCL_HOST": host.address,
                    "ECCL_HOST_ID": host.name,
                    "ECCL_JOB_TOKEN": token,
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank, host in enumerate(both)
        ]
        try:
            outputs = [child.communicate(timeout=600)[0] for child in children]
        finally:
            for child in children:
                child.kill()
                child.wait()
    for child, output in zip(children, outputs, strict=True):
        if child.returncode != 0:
            raise Wrong(f"eccl_wire_bench ended with {child.returncode}: {output.strip()[-300:]}")
    medians: Medians = {}
    for line in outputs[0].splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            size = str(entry["bytes"] >> 20)
            medians.setdefault(entry["wire"], {})[size] = entry["median_us"] / 1000
    return medians


def prepare() -> None:
    if not WIRE_BENCH.is_file():
        raise Missing("build/release has no eccl_wire_bench; make build makes it")
    hosts.available()


def cases(quick: bool) -> list[Case]:
    sizes = SIZES_MIB[:1] if quick else SIZES_MIB
    try:
        prepare()
    except Missing as reason:
        # Our own contender may not be missing: where there are no namespaces, there is no case.
        print(f"wires over {RATE}: left out: {reason}")
        return []
    return [case(wire, bound, sizes, 1 if quick else 5) for wire, bound in MUSTS.items()]


def case(wire: str, bound: float, sizes: tuple[int, ...], rounds: int) -> Case:
    take = together(lambda: measure(sizes, rounds))
    figures = [
        Figure(
            str(size),
            f"all-reduce of float32, {wire} on the wire, 1 Gbit/s",
            f"{size} MiB, 2 hosts",
            "ms",
            must=Must(bound, of="ratio"),
        )
        for size in sizes
    ]
    return Case(
        figures,
        Contender("libeccl", lambda: take(wire), version=our_version),
        [Contender("libeccl float32", lambda: take(EXACT), version=our_version)],
        rounds=rounds,
    )
