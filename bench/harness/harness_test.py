"""The harness states ratios, musts and missing peers so that nobody is flattered."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.gpu import record as gpu_record
from bench.harness import report, runner, table
from bench.harness.case import Case, Contender, Figure, Missing, Must, Wrong


def contender(name: str, values: list[float], log: list[str] | None = None) -> Contender:
    endless = itertools.cycle(values)

    def measure() -> dict[str, float]:
        if log is not None:
            log.append(name)
        return {"time": next(endless)}

    return Contender(name, measure, version=lambda: "1.0")


def raises(error: Exception) -> Callable[[], None]:
    def prepare() -> None:
        raise error

    return prepare


def figure(must: Must | None = None, better: str = "lower") -> Figure:
    return Figure("time", "time a step", "1,000 steps", "ms", better=better, must=must)


def test_ratio_above_one_is_better_whichever_way_the_unit_points() -> None:
    assert runner.ratio_to_best(2.0, [4.0, 6.0], "lower") == 2.0
    assert runner.ratio_to_best(2.0, [4.0, 6.0], "higher") == pytest.approx(1 / 3)
    assert runner.ratio_to_best(2.0, [], "lower") is None


def test_values_are_medians_and_spread_is_of_our_own_rounds() -> None:
    case = Case([figure()], contender("regatta", [1, 9, 2]), [contender("peer", [4])], rounds=3)
    (record,) = runner.run([case], quick=False)
    assert record["ours"] == 2
    assert record["peers"] == {"peer": 4}
    assert record["ratio"] == 2
    assert record["spread"] == 4
    assert record["rounds"] == 3


def test_contenders_take_turns_and_each_round_starts_with_the_next() -> None:
    log: list[str] = []
    case = Case([figure()], contender("a", [1], log), [contender("b", [1], log)], rounds=2)
    runner.run([case], quick=False)
    assert log == ["a", "b", "b", "a"]


@pytest.mark.parametrize(
    ("must", "better", "holds"),
    [
        (Must(2.0), "lower", True),
        (Must(1.9), "lower", False),
        (Must(1.9), "higher", True),
        (Must(1.0, of="ratio"), "lower", True),
        (Must(2.5, of="ratio"), "lower", False),
    ],
)
def test_a_must_is_judged_in_its_own_direction(must: Must, better: str, holds: bool) -> None:
    case = Case([figure(must, better)], contender("regatta", [2]), [contender("peer", [4])])
    (record,) = runner.run([case], quick=True)
    assert record["holds"] is holds


def test_a_missing_peer_is_named_with_its_reason_and_gives_no_ratio() -> None:
    peer = Contender("argo", dict, prepare=raises(Missing("not in any registry")))
    (record,) = runner.run([Case([figure()], contender("regatta", [2]), [peer])], quick=True)
    assert record["peers"] == {"argo": None}
    assert record["missing"] == {"argo": "not in any registry"}
    assert record["ratio"] is None
    assert "missing" in table.plain([record])


def test_a_wrong_result_stops_the_area() -> None:
    def measure() -> dict[str, float]:
        raise Wrong("999 of 1,000 steps succeeded")

    with pytest.raises(Wrong):
        runner.run([Case([figure()], Contender("regatta", measure))], quick=True)


def test_a_figure_we_did_not_measure_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="time"):
        runner.run([Case([figure()], Contender("regatta", dict))], quick=True)


def test_the_report_is_the_same_bytes_for_the_same_results(tmp_path: Path) -> None:
    case = Case([figure()], contender("regatta", [2]), [contender("peer", [4])])
    about = {"cpu": "x", "cores": 2, "memory_gib": 8, "kernel": "6", "load_before": 0.1}
    result = {"area": "flow", "machine": about, "records": runner.run([case], quick=True)}
    (tmp_path / "bench/results/flow").mkdir(parents=True)
    (tmp_path / "bench/results/flow/box.json").write_text(json.dumps(result))
    (tmp_path / "bench/remarks").mkdir()
    (tmp_path / "bench/remarks/flow.md").write_text("Measured by hand.\n")
    (tmp_path / "docs").mkdir()
    page = report.render(tmp_path)
    text, svg = page.read_text(), (tmp_path / "docs/benchmarks/flow-box.svg").read_bytes()
    assert "Measured by hand." in text
    assert "| time a step | 1,000 steps | ms | 2.00 | 4.00 | 2.00 |" in text
    report.render(tmp_path)
    assert page.read_text() == text
    assert (tmp_path / "docs/benchmarks/flow-box.svg").read_bytes() == svg


def test_a_report_of_a_gpu_becomes_records_that_say_what_is_not_known(tmp_path: Path) -> None:
    rows = [{"bytes": 8, "ours": 1.2e-5, "raw": 1.0e-5}, {"bytes": 1 << 26, "ours": 1, "raw": 1}]
    staged = [{"mib": 1, "ours": 0.5, "naive": 2.0, "pinned": 1.0}]
    gpu = {
        "gpu": "GPU",
        "torch": "2",
        "cpus": 16,
        "nccl": {"rows": rows, "version": 22809, "last": "nccl"},
        "ranks": [{"staged": [{"places": ["cuda:0", "cpu"], "rows": staged}]}],
    }
    result = gpu_record.result(gpu, "c0ffee", "")
    small, large, mixed = result["records"]
    assert (small["case"], small["holds"], small["spread"]) == ("8 B", False, None)
    assert (large["case"], large["holds"], large["versions"]["raw NCCL"]) == (
        "64 MiB",
        True,
        "2.28.9",
    )
    assert (mixed["case"], mixed["ratio"]) == ("cuda:0 + cpu, 1 MiB", 2.0)
    results = tmp_path / "bench/results/eccl"
    results.mkdir(parents=True)
    (results / "gpu.json").write_text(json.dumps(result))
    page = report.render(tmp_path).read_text()
    assert "driver not written down" in page
    assert "| NO | - |" in page
