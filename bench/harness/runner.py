"""Measures cases: all contenders in turn within each round, medians over rounds."""

import statistics
import sys
from collections.abc import Mapping
from typing import Any

from bench.harness.case import Case, Contender, Figure, Missing

Samples = dict[str, dict[str, list[float]]]  # contender -> figure key -> one value a round


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def collect(case: Case, rounds: int) -> tuple[Samples, dict[str, str], dict[str, str]]:
    """Samples of everyone who ran, reasons of those who could not, versions of those who ran.

    Contenders are interleaved, and each round starts with the next one, so that a machine that
    slows down or warms up does so for all of them. Our own contender may not be missing.
    """
    samples: Samples = {}
    missing: dict[str, str] = {}
    present: list[Contender] = []
    for contender in (case.ours, *case.peers):
        try:
            contender.prepare()
        except Missing as reason:
            if contender is case.ours:
                raise
            missing[contender.name] = str(reason)
            continue
        present.append(contender)
    versions = {contender.name: contender.version() for contender in present}
    for number in range(rounds):
        start = number % len(present)
        for contender in present[start:] + present[:start]:
            say(f"  round {number + 1} of {rounds}: {contender.name}")
            for key, value in contender.measure().items():
                samples.setdefault(contender.name, {}).setdefault(key, []).append(value)
    return samples, missing, versions


def ratio_to_best(ours: float, peers: list[float], better: str) -> float | None:
    """Above 1 means better than the best peer, whichever way the unit points."""
    if not peers:
        return None
    if better == "lower":
        return min(peers) / ours if ours > 0 else None
    best = max(peers)
    return ours / best if best > 0 else None


def record(
    figure: Figure,
    our_name: str,
    samples: Samples,
    missing: dict[str, str],
    versions: dict[str, str],
    how: Mapping[str, str],
) -> dict[str, Any]:
    """One line of the result file; every field is documented in bench/README.md."""
    values = samples[our_name][figure.key]
    ours = statistics.median(values)
    peers: dict[str, float | None] = {
        name: statistics.median(by_key[figure.key])
        for name, by_key in samples.items()
        if name != our_name
        and figure.key in by_key
        and (figure.against is None or name in figure.against)
    }
    if figure.against is not None:
        missing = {name: why for name, why in missing.items() if name in figure.against}
    ratio = ratio_to_best(ours, [v for v in peers.values() if v is not None], figure.better)
    must, holds = None, None
    floor = figure.floor() if figure.floor else None
    if figure.must is not None:
        judged = ours if figure.must.of == "value" else ratio
        at_most = figure.must.of == "value" and figure.better == "lower"
        sign = "<=" if at_most else ">="
        unit = f" {figure.unit}" if figure.must.of == "value" else " x best peer"
        must = f"{sign} {figure.must.limit:g}{unit}"
        limit = figure.must.limit
        if figure.must.floors and floor is not None:
            must += f" + {figure.must.floors} floors"
            limit += figure.must.floors * floor
        if judged is not None:
            holds = judged <= limit if at_most else judged >= limit
    return {
        "figure": figure.figure,
        "case": figure.case,
        "unit": figure.unit,
        "ours": ours,
        "peers": {**peers, **dict.fromkeys(missing)},
        "missing": missing,
        "ratio": ratio,
        "must": must,
        "holds": holds,
        "rounds": len(values),
        "spread": (max(values) - min(values)) / ours if ours else 0.0,
        "floor": floor,
        "versions": versions,
        "how": how.get(figure.key, ""),
    }


def run(cases: list[Case], quick: bool) -> list[dict[str, Any]]:
    records = []
    for case in cases:
        say(f"{case.figures[0].figure}: {case.figures[0].case}")
        samples, missing, versions = collect(case, 1 if quick else case.rounds)
        how = case.ours.how()
        records += [
            record(figure, case.ours.name, samples, missing, versions, how)
            for figure in case.figures
            if figure.key in samples.get(case.ours.name, {})
        ]
        absent = [f.key for f in case.figures if f.key not in samples.get(case.ours.name, {})]
        if absent:
            raise RuntimeError(f"{case.ours.name} measured nothing for: {', '.join(absent)}")
    return records
