"""Collectives of libeccl between the processes of one machine, against the fastest of its peers."""

import contextlib
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from bench.eccl.peers import ECCL, GLOO, MPICH, ONECCL, OPENMPI, Library, built, entries, medians
from bench.harness.case import Case, Contender, Figure, Must
from bench.harness.machine import our_version

KIB, MIB = 1 << 10, 1 << 20


def human(size: int) -> str:
    for unit, bytes_ in (("MiB", MIB), ("KiB", KIB)):
        if size >= bytes_:
            return f"{size // bytes_} {unit}"
    return f"{size} B"


def fastest(size: int) -> float:
    """What an all-reduce of two ranks has to reach of the fastest peer's speed."""
    if size <= 2 * KIB:
        return 1 / 2
    return 1 / 1.1 if size <= 8 * MIB else 1


@dataclass(frozen=True)
class Bound:
    """The least speed, as a share of the best of these peers', by size."""

    least: dict[int, float]
    peers: tuple[Library, ...]


@dataclass(frozen=True)
class Subject:
    operation: str
    type: str
    ranks: int
    sizes: tuple[int, ...]
    bounds: tuple[Bound, ...]
    busy: int = 0  # processes that only burn time beside the ranks

    @property
    def peers(self) -> list[Library]:
        return list(dict.fromkeys(peer for bound in self.bounds for peer in bound.peers))


MPIS = (OPENMPI, MPICH, ONECCL)
ALL_SIZES = (8, 2 * KIB, 128 * KIB, MIB, 8 * MIB, 64 * MIB, 256 * MIB)
MIDDLE = (128 * KIB, MIB, 8 * MIB, 64 * MIB)


def alike(sizes: tuple[int, ...], least: float, *peers: Library) -> Bound:
    return Bound(dict.fromkeys(sizes, least), peers)


def subjects() -> Iterator[Subject]:
    yield Subject(
        "all-reduce",
        "float32",
        2,
        ALL_SIZES,
        (Bound({size: fastest(size) for size in ALL_SIZES}, MPIS), alike(ALL_SIZES, 3, GLOO)),
    )
    yield Subject("all-reduce", "bfloat16", 2, MIDDLE, (alike(MIDDLE, 1 / 1.1, *MPIS),))
    four = {8: 1 / 1.5, 2 * KIB: 1 / 1.5, 128 * KIB: 1 / 1.5, MIB: 1, 8 * MIB: 1}
    large = {64 * MIB: 1 / 0.6, 256 * MIB: 1 / 0.6}
    yield Subject(
        "all-reduce",
        "float32",
        4,
        ALL_SIZES,
        (Bound({**four, **large}, (OPENMPI,)), alike(ALL_SIZES, 2, GLOO)),
    )
    for operation in ("all-gather", "reduce-scatter", "all-to-all", "broadcast"):
        # Debian's gloo has no reduce-scatter.
        others = () if operation == "reduce-scatter" else (alike(MIDDLE, 2, GLOO),)
        yield Subject(operation, "float32", 2, MIDDLE, (alike(MIDDLE, 1 / 1.25, *MPIS), *others))
    for ranks in (2, 4):
        sizes = (8, 128 * KIB, 8 * MIB)
        yield Subject("all-reduce", "float32", ranks, sizes, (alike(sizes, 1, GLOO),), busy=2)


@contextlib.contextmanager
def burning(processes: int) -> Iterator[None]:
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def case(subject: Subject, quick: bool) -> Case:
    sizes = subject.sizes[:2] if quick else subject.sizes
    flags = ["--operation", subject.operation, "--type", subject.type]
    flags += ["--bytes", ",".join(map(str, sizes)), "--seconds", "0.02" if quick else "0.5"]
    how: dict[str, str] = {}

    def measure(library: Library) -> dict[str, float]:
        with burning(subject.busy):
            return medians(entries(library.output(subject.ranks, flags)), list(sizes))

    def ours() -> dict[str, float]:
        with burning(subject.busy):
            found = entries(ECCL(subject.ranks, flags))
        how.update({str(entry["bytes"]): str(entry["how"]) for entry in found})
        return medians(found, list(sizes))

    beside = f", beside {subject.busy} busy processes" if subject.busy else ""
    figures = [
        Figure(
            str(size),
            f"{subject.operation}, {subject.type}{beside}",
            f"{human(size)}, {subject.ranks} ranks"
            + (f", against {bound.peers[0].name}" if len(bound.peers) == 1 else ""),
            "us",
            must=Must(bound.least[size], of="ratio"),
            against=frozenset(peer.name for peer in bound.peers),
        )
        for bound in subject.bounds
        for size in sizes
    ]
    return Case(
        figures,
        Contender("libeccl", ours, built, our_version, how=lambda: how),
        [
            Contender(
                peer.name,
                functools.partial(measure, peer),
                prepare=lambda peer=peer: peer.prepare() and None,
                version=peer.version,
            )
            for peer in subject.peers
        ],
        rounds=5,
    )


def cases(quick: bool) -> list[Case]:
    chosen = list(subjects())
    # A smoke run shows that every kind of program runs, not that every case does.
    return [case(subject, quick) for subject in (chosen[:1] if quick else chosen)]
