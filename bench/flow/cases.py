"""What the engine and its steps cost, in us and in other engines.

The cost of a step is the difference between a long chain and a chain of one, divided by the steps
between them; start-up is reported by itself, so that an engine that starts slowly does not look
slow at every step, nor hide slow steps behind a short chain.
"""

import os
from collections.abc import Callable

from bench.flow import airflow, dagster, engine, lists, pipelines, processes, snakemake
from bench.harness import process, served
from bench.harness.case import Case, Contender, Figure, Must
from bench.harness.machine import fsync_floor_ms, our_version

ROUNDS = int(os.environ.get("ROUNDS", "3"))


def per_step(
    run_chain: Callable[[int], process.Cost], steps: int
) -> Callable[[], dict[str, float]]:
    """Measures a chain of one and a chain of `steps`."""

    def measure() -> dict[str, float]:
        one, many = run_chain(1), run_chain(steps)
        return {
            "cpu": (many.cpu_ms - one.cpu_ms) / (steps - 1),
            "wall": (many.wall_ms - one.wall_ms) / (steps - 1),
            "start": one.wall_ms,
        }

    return measure


def ours(measure: Callable[[], dict[str, float]], prepare: Callable[[], None]) -> Contender:
    return Contender("regatta", measure, prepare, our_version)


def version(requirement: str) -> Callable[[], str]:
    return lambda: requirement.split("==")[1]


def chains(quick: bool) -> Case:
    steps = 20 if quick else 1000
    # Slow engines get shorter chains; the cost of a step does not depend on the length there.
    slow = 20 if quick else 100
    name = f"chain of {steps:,} no-op steps"
    return Case(
        [
            Figure("cpu", "CPU a step", name, "ms", must=Must(0.5)),
            Figure(
                "cpu", "CPU a step, against the best peer", name, "ms", must=Must(10, of="ratio")
            ),
            Figure(
                "wall",
                "wall time a step",
                name,
                "ms",
                must=Must(1.0, floors=2),
                floor=fsync_floor_ms,
            ),
            Figure("start", "start to end of one step", "chain of 1 no-op step", "ms"),
        ],
        ours(per_step(engine.chain, steps), engine.built),
        [
            Contender(
                f"airflow dags test ({slow})",
                per_step(airflow.chain, slow),
                airflow.prepare,
                version(airflow.REQUIREMENT),
            ),
            Contender(
                f"dagster in process ({slow})",
                per_step(dagster.chain, slow),
                dagster.prepare,
                version(dagster.REQUIREMENT),
            ),
        ],
        rounds=ROUNDS,
    )


def large(quick: bool) -> Case:
    small, steps = (200, 2000) if quick else (1000, 100_000)
    name = f"mixed DAG of {steps:,} no-op steps"
    return Case(
        [
            Figure("wall", "start to end", name, "s", must=Must(60)),
            Figure("memory", "peak resident memory", name, "MiB", must=Must(1024)),
            Figure("cpu", "CPU a step", name, "ms"),
            Figure("small", "CPU a step", f"mixed DAG of {small:,} no-op steps", "ms"),
            Figure("growth", f"CPU a step against {small:,} steps", name, "x", must=Must(2)),
        ],
        ours(lambda: engine.mixed(small, steps), engine.built),
        rounds=ROUNDS,
    )


def recovery(quick: bool) -> Case:
    steps = 2000 if quick else 100_000
    limit = 1000 + 0.01 * steps
    return Case(
        [
            Figure(
                "open",
                "taking up a killed run",
                f"mixed DAG of {steps:,}, past its half",
                "ms",
                must=Must(limit),
            )
        ],
        ours(lambda: engine.recovery(steps), engine.built),
        rounds=ROUNDS,
    )


def reruns(quick: bool) -> list[Case]:
    few, many = (20, 2000) if quick else (1000, 100_000)
    text, total, leaves = pipelines.mixed(many, cache=True)

    def rerun_few() -> dict[str, float]:
        cost = engine.unchanged(pipelines.independent(few, cache=True), few, few)
        return {"wall": cost.wall_ms, "cpu": cost.cpu_ms}

    def rerun_many() -> dict[str, float]:
        return {"wall": engine.unchanged(text, total, leaves).wall_ms / 1000}

    peer = snakemake.Unchanged(few)
    return [
        Case(
            [
                Figure(
                    "wall", "all unchanged, start to end", f"{few:,} steps", "ms", must=Must(300)
                ),
                Figure("cpu", "all unchanged, CPU", f"{few:,} steps", "ms"),
            ],
            ours(rerun_few, engine.built),
            [Contender("snakemake", peer.measure, peer.prepare, version(snakemake.REQUIREMENT))],
            rounds=ROUNDS,
        ),
        Case(
            [
                Figure(
                    "wall",
                    "all unchanged, start to end",
                    f"mixed DAG of {many:,}",
                    "s",
                    must=Must(15),
                )
            ],
            ours(rerun_many, engine.built),
            rounds=ROUNDS,
        ),
    ]


def real(quick: bool) -> list[Case]:
    steps, length, submissions = (20, 10, 3) if quick else (1000, 300, 100)
    many = f"{steps:,} processes `true`, 8 at a time"
    one = f"{submissions} pipelines of one process"
    chain = f"chain of {length} processes `true`"
    return [
        Case(
            [Figure("wall", "start to end", many, "s", must=Must(6))],
            ours(lambda: processes.run(steps), served.built),
            [
                Contender(
                    "snakemake",
                    lambda: snakemake.processes(steps),
                    snakemake.prepare,
                    version(snakemake.REQUIREMENT),
                )
            ],
            rounds=ROUNDS,
        ),
        Case(
            [
                Figure("submit", "request to first process, median", one, "ms", must=Must(50)),
                Figure("submit_p99", "request to first process, p99", one, "ms"),
                Figure("next", "end to next start, median", chain, "ms"),
                Figure("next_p99", "end to next start, p99", chain, "ms", must=Must(20)),
            ],
            ours(lambda: processes.latency(length, submissions), served.built),
            rounds=ROUNDS,
        ),
    ]


def long_lists(quick: bool) -> list[Case]:
    runs, steps = (1000, 100) if quick else (100_000, 10_000)
    name = f"50 of {runs:,} runs, slowest of {len(lists.QUERIES)} sorts and filters"
    return [
        Case(
            [
                Figure("first", "list page", name, "ms", must=Must(100)),
                Figure("second", "the page after", name, "ms", must=Must(100)),
            ],
            ours(lambda: lists.pages(runs), served.built),
            rounds=ROUNDS,
        ),
        Case(
            [Figure("wall", "regatta validate", f"{steps:,} steps", "ms", must=Must(1000))],
            ours(lambda: lists.validate(steps), served.built),
            rounds=ROUNDS,
        ),
    ]


def cases(quick: bool) -> list[Case]:
    return [
        chains(quick),
        large(quick),
        recovery(quick),
        *reruns(quick),
        *real(quick),
        *long_lists(quick),
    ]
