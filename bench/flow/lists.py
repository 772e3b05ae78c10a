"""Long lists of runs, and reading a long pipeline."""

import pathlib
import random
import sqlite3
import statistics
import tempfile
import time

from bench.flow import pipelines
from bench.harness import process
from bench.harness.case import Wrong
from bench.harness.served import REGATTA, serving

QUERIES = [
    *[f"sort={sort}&order={order}" for sort in ("created_at", "name", "state", "duration")
      for order in ("asc", "desc")],
    "state=failed",
    "state=failed,terminated&sort=duration",
    "name=digits",
    "name=nobody-has-this",
    "state=succeeded&name=digits&sort=name",
    "name=only-one&sort=name",
    "pipeline=nobody-has-this",
    "created_by=nobody&sort=duration",
]  # fmt: skip


def fill(database: pathlib.Path, runs: int) -> None:
    """Copies the one run that is there; its row has whatever columns the program made."""
    source = random.Random(7)
    names = ["digits", "nightly", "sweep", "evaluation", "export"]
    states = ["succeeded"] * 7 + ["failed"] * 2 + ["terminated"]
    with sqlite3.connect(database) as connection:
        for table, key in (("flow_runs", "id"), ("flow_run_specs", "run_id")):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            (row,) = connection.execute(f"SELECT * FROM {table}").fetchall()
            rows = []
            for i in range(1, runs):
                copy = dict(zip(columns, row, strict=True))
                copy[key] = f"{copy[key][:-8]}{i:08d}"
                if table == "flow_runs":
                    at = copy["created_at"] + i * 1_000_000
                    name = "only-one" if i == runs // 2 else source.choice(names)
                    took = source.randrange(1, 10**10)
                    copy.update(
                        name=name, search=f"{name}\nchain", state=source.choice(states),
                        created_at=at, started_at=at, finished_at=at + took, duration=took,
                    )  # fmt: skip
                rows.append([copy[column] for column in columns])
            marks = ",".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def pages(runs: int) -> dict[str, float]:
    """The slowest of all sorts and filters, and of the page after: medians of five each."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = pipelines.write(folder, pipelines.chain(1))
        process.run([str(REGATTA), "run", path, "--home", str(folder / "home")])
        fill(folder / "home" / "regatta.db", runs)
        slowest = {"first": 0.0, "second": 0.0}
        with serving(folder / "home") as api:
            for query in QUERIES:
                url = f"/api/v1/runs?limit=50&{query}"
                times = []
                for _ in range(5):
                    start = time.perf_counter()
                    page = api.request(url)
                    times.append((time.perf_counter() - start) * 1000)
                slowest["first"] = max(slowest["first"], statistics.median(times))
                if query.startswith("sort=") and page["total"] != runs:
                    raise Wrong(f"regatta: {query} tells of {page['total']} runs, not {runs}")
                if "next_cursor" not in page:
                    continue
                times = []
                for _ in range(5):
                    start = time.perf_counter()
                    after = api.request(f"{url}&cursor={page['next_cursor']}")
                    times.append((time.perf_counter() - start) * 1000)
                slowest["second"] = max(slowest["second"], statistics.median(times))
                if {run["id"] for run in page["items"]} & {run["id"] for run in after["items"]}:
                    raise Wrong(f"regatta: {query} shows a run on two pages")
    return slowest


def validate(steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        path = pipelines.write(pathlib.Path(name), pipelines.realistic(steps))
        cost = process.run([str(REGATTA), "validate", path])
        if f"{steps} steps" not in cost.output.replace(",", ""):
            raise Wrong(f"regatta validate said: {cost.output[:200]}")
    return {"wall": cost.wall_ms}
