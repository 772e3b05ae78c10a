"""Draws how the time of an all-reduce grows with the ranks, beside the alpha-beta model.

`python -m bench.eccl.growth` asks `regatta eccl plan`, draws docs/benchmarks/eccl-growth.svg and
prints a table. It simulates: the same program gives the same picture on every machine.
"""

import json
import pathlib
import subprocess
from typing import Any

from bench.harness.machine import ROOT

PROGRAM = ROOT / "build/release/bin/regatta"
WIDTH = 8  # ranks of a host
RANKS = (8, 32, 128, 512, 1024)
SIZES = {"8 B": 8, "1 MiB": 1 << 20, "256 MiB": 1 << 28}
# Another one for each size would fill the picture; these are fastest somewhere.
ALGORITHMS = ("ring", "doubling", "halving", "tree", "hierarchical")
COLOURS = dict(
    zip(ALGORITHMS, ("#2f6f9f", "#b5533c", "#4d8b52", "#8a6bb0", "#222222"), strict=True)
)


def plan(ranks: int, size: int) -> dict[str, dict[str, Any]]:
    """What `regatta eccl plan` says of each algorithm."""
    answers = {}
    for algorithm in ALGORITHMS:
        if algorithm == "hierarchical" and ranks == WIDTH:
            continue  # one host
        command = [PROGRAM, "eccl", "plan", "--ranks", ranks, "--hosts", ranks // WIDTH]
        command += ["--bytes", size, "--algorithm", algorithm, "--output", "json"]
        done = subprocess.run([str(word) for word in command], capture_output=True, check=True)
        answers[algorithm] = json.loads(done.stdout)["algorithms"][0]
    return answers


def draw(plans: dict[str, dict[int, dict[str, Any]]], path: pathlib.Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "regatta", "svg.fonttype": "none", "font.size": 9})
    figure, panels = plt.subplots(1, len(plans), figsize=(11, 4), sharex=True)
    for axes, (label, by_ranks) in zip(panels, plans.items(), strict=True):
        for algorithm in ALGORITHMS:
            found = {n: by[algorithm] for n, by in by_ranks.items() if algorithm in by}
            simulated = [one["simulated_us"] / 1e3 for one in found.values()]
            predicted = [one["predicted_us"] / 1e3 for one in found.values()]
            colour = COLOURS[algorithm]
            axes.plot(list(found), simulated, color=colour, marker="o", ms=3, label=algorithm)
            axes.plot(list(found), predicted, color=colour, linestyle=":", linewidth=1)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(RANKS, [str(n) for n in RANKS], rotation=45)
        axes.set_title(label)
        axes.set_xlabel("ranks, 8 a host")
    panels[0].set_ylabel("ms; dotted: alpha-beta model")
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def table(plans: dict[str, dict[int, dict[str, Any]]]) -> str:
    """The fastest algorithm of each size and number of ranks: simulated and predicted ms."""
    lines = ["| ranks | " + " | ".join(plans) + " |", "|---|" + "---|" * len(plans)]
    for ranks in RANKS:
        cells = []
        for by_ranks in plans.values():
            name, best = min(by_ranks[ranks].items(), key=lambda one: one[1]["simulated_us"])
            simulated, predicted = best["simulated_us"] / 1e3, best["predicted_us"] / 1e3
            cells.append(f"{name} {simulated:.3g} ({predicted:.3g})")
        lines.append(f"| {ranks} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    plans = {label: {n: plan(n, size) for n in RANKS} for label, size in SIZES.items()}
    draw(plans, ROOT / "docs/benchmarks/eccl-growth.svg")
    print(table(plans))


if __name__ == "__main__":
    main()
