"""Command line of the harness: `run [AREA...]` measures, `report` renders docs/benchmarks.md."""

import argparse
import datetime
import importlib
import json
import os
import sys

from bench.harness import machine, report, runner, table
from bench.harness.case import Missing, Wrong

QUICK = bool(os.environ.get("QUICK"))


def areas() -> list[str]:
    return sorted(path.parent.name for path in (machine.ROOT / "bench").glob("*/cases.py"))


def run_area(area: str) -> bool:
    """Measures one area, prints its table, writes its file; False when a must does not hold."""
    about = machine.describe()
    cases = importlib.import_module(f"bench.{area}.cases").cases(quick=QUICK)
    records = runner.run(cases, QUICK)
    print(f"\n{area} on {about['cpu']}, {about['cores']} cores\n")
    print(table.plain(records))
    for name, why in {n: w for r in records for n, w in r["missing"].items()}.items():
        print(f"missing: {name}: {why}")
    # A smoke run measures too little to be kept.
    folder = machine.ROOT / ("build/bench" if QUICK else "bench/results") / area
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{machine.slug()}.json"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    result = {"area": area, "machine": about, "measured_at": now, "records": records}
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {path.relative_to(machine.ROOT)}")
    broken = [r for r in records if r["holds"] is False]
    for r in broken:
        value = f"{table.number(r['ours'])} {r['unit']}"
        print(f"does not hold: {r['figure']}, {r['case']}: {value}, must be {r['must']}")
    # A busy CI machine cannot judge speed; a smoke run only shows that the cases work.
    return QUICK or not broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("run")
    measure.add_argument("areas", nargs="*", help=f"of: {', '.join(areas())}; none means all")
    commands.add_parser("report")
    args = parser.parse_args()
    if args.command == "report":
        print(f"written to {report.render(machine.ROOT).relative_to(machine.ROOT)}")
        return 0
    unknown = [area for area in args.areas if area not in areas()]
    if unknown:
        print(f'bench: no area "{unknown[0]}"; areas: {", ".join(areas())}', file=sys.stderr)
        return 2
    good = True
    for area in args.areas or areas():
        try:
            good = run_area(area) and good
        except (Missing, Wrong, RuntimeError) as error:
            print(f"bench: {area}: {error}", file=sys.stderr)
            good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
