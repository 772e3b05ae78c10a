#!/usr/bin/env python3
"""Turns gpu.json of check.py into a result file of the area eccl, for `make bench-report`.

bench/gpu/record.py gpu.json --commit a986201 --driver 580.159.04
"""

import argparse
import json
import pathlib
import re
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
NCCL_BOUND = 1.05  # of raw NCCL's time
SINGLE = "all-reduce of one GPU by itself, through NCCL"
STAGED = "all-reduce of two ranks, staged through the host"
UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def size(bytes_: int) -> str:
    unit, name = next((unit, name) for unit, name in UNITS if bytes_ >= unit)
    return f"{bytes_ // unit} {name}"


def record(ours: float, peers: dict[str, float], **fields: Any) -> dict[str, Any]:
    """A record of bench/README.md; times in its unit."""
    best = min(peers.values())
    return {
        "ours": ours,
        "peers": peers,
        "missing": {},
        "ratio": best / ours,
        "must": None,
        "holds": None,
        "spread": None,
        "floor": None,
        "how": "",
    } | fields


def records(report: dict[str, Any], commit: str) -> list[dict[str, Any]]:
    versions = {"libeccl": commit, "torch": report["torch"]}
    rows = []
    nccl = report.get("nccl")
    for row in nccl["rows"] if nccl else []:
        version = nccl["version"]
        text = f"{version // 10000}.{version // 100 % 100}.{version % 100}"
        rows.append(
            record(
                row["ours"] * 1e6,
                {"raw NCCL": row["raw"] * 1e6},
                figure=SINGLE,
                case=size(row["bytes"]),
                unit="us",
                must=f"<= {NCCL_BOUND:g} x raw NCCL",
                holds=row["ours"] <= NCCL_BOUND * row["raw"],
                rounds=row.get("rounds"),
                spread=row.get("spread"),
                versions=versions | {"raw NCCL": text},
                how=nccl["last"],
            )
        )
    first = report["ranks"][0] if report.get("ranks") else None
    for case in first["staged"] if first else []:
        for row in case["rows"]:
            rows.append(
                record(
                    row["ours"] * 1e3,
                    {
                        "gloo, tensor.cpu()": row["naive"] * 1e3,
                        "gloo, pinned copy": row["pinned"] * 1e3,
                    },
                    figure=STAGED,
                    case=f"{' + '.join(case['places'])}, {row['mib']} MiB",
                    unit="ms",
                    rounds=row.get("rounds"),
                    versions=versions,
                )
            )
    return rows


def result(report: dict[str, Any], commit: str, driver: str) -> dict[str, Any]:
    """The whole file. What the report does not tell of the machine is said to be unknown."""
    machine = report.get("machine", {})
    host = machine.get("cpu", "CPU not written down")
    return {
        "area": "eccl",
        "machine": {
            "cpu": f"{report['gpu']} (driver {driver or 'not written down'}), {host}",
            "cores": report["cpus"],
            "memory_gib": machine.get("memory_gib", "unknown"),
            "kernel": machine.get("kernel", "not written down"),
            "load_before": machine.get("load_before", "not written down"),
        },
        "records": records(report, commit),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=pathlib.Path, help="gpu.json")
    parser.add_argument("--commit", required=True, help="of the libeccl that ran")
    parser.add_argument("--driver", default="", help="version of the GPU's driver")
    given = parser.parse_args()
    report = json.loads(given.report.read_text())
    name = re.sub(r"[^a-z0-9]+", "-", report["gpu"].lower()).strip("-")
    path = ROOT / "bench/results/eccl" / f"{name}.json"
    path.write_text(
        json.dumps(result(report, given.commit, given.driver or report.get("driver", "")), indent=1)
        + "\n"
    )
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
