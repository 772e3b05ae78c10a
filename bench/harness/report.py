"""Renders docs/benchmarks.md from bench/results: tables, plots, and the remarks people wrote."""

import json
import pathlib
from typing import Any

from bench.harness import table

INTRODUCTION = """# Benchmarks

Rendered by `make bench-report` from `bench/results`; remarks are kept in `bench/remarks`.
`ratio` is ours against the best peer, normalised so that above 1 is better. Values are medians;
`spread` is the distance of our slowest round from our fastest, as a share of the median. A peer
that could not be installed or run says so below its table.
"""


def plot(records: list[dict[str, Any]], path: pathlib.Path) -> None:
    """Ratios as bars on a logarithmic axis: right of the line at 1 we are better."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    # The same results give the same bytes: no dates, no random ids, text as text.
    plt.rcParams.update({"svg.hashsalt": "regatta", "svg.fonttype": "none", "font.size": 9})
    labels = [f"{r['figure']}: {r['case']}" for r in records]
    ratios = [r["ratio"] for r in records]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.3 * len(records)))
    axes.barh(labels, ratios, color=["#2f6f9f" if ratio >= 1 else "#b5533c" for ratio in ratios])
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("ours against the best peer; right of 1 is better")
    axes.invert_yaxis()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
    # matplotlib leaves blanks at line ends.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def section(result: dict[str, Any], machine: str, plots: pathlib.Path) -> list[str]:
    about = result["machine"]
    records = result["records"]
    lines = [
        f"### {about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB",
        "",
        f"Kernel {about['kernel']}; load before the run {about['load_before']}.",
        "",
        table.markdown(records),
        "",
    ]
    floors = {(r["figure"], r["unit"]): r["floor"] for r in records if r["floor"] is not None}
    lines += [f"- Floor of {f}: {table.number(v)} {unit}" for (f, unit), v in floors.items()]
    missing = {name: why for r in records for name, why in r["missing"].items()}
    lines += [f"- Missing: {name}: {why}" for name, why in missing.items()]
    versions = {name: v for r in records for name, v in r["versions"].items() if v}
    lines.append("- Versions: " + ", ".join(f"{name} {v}" for name, v in versions.items()))
    lines.append("")
    compared = [r for r in records if r["ratio"] is not None]
    if compared:
        picture = plots / f"{result['area']}-{machine}.svg"
        plot(compared, picture)
        lines += [f"![{result['area']}]({plots.name}/{picture.name})", ""]
    return lines


def render(root: pathlib.Path) -> pathlib.Path:
    """Writes docs/benchmarks.md and its plots under `root`; gives the page's path."""
    lines = [INTRODUCTION]
    for area in sorted(path for path in (root / "bench/results").glob("*") if path.is_dir()):
        lines += [f"## {area.name}", ""]
        remarks = root / "bench/remarks" / f"{area.name}.md"
        if remarks.is_file():
            lines += [remarks.read_text().strip(), ""]
        for path in sorted(area.glob("*.json")):
            result = json.loads(path.read_text())
            lines += section(result, path.stem, root / "docs/benchmarks")
    page = root / "docs/benchmarks.md"
    page.write_text("\n".join(lines).rstrip() + "\n")
    return page
