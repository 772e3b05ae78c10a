"""What the control plane costs to have up: time to ready, idle memory, first page bytes."""

import gzip
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from bench.harness.case import Case, Contender, Figure, Must, Wrong
from bench.harness.machine import our_version
from bench.harness.served import REGATTA, built, wait_ready

# Settling time before memory is read; part of the figure's definition, not a wait for an event.
IDLE_SECONDS = 2.0


def fetch(url: str) -> tuple[bytes, str]:
    """The bytes that crossed the wire with gzip allowed, and the text they stand for."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        raw = answer.read()
        packed = answer.headers.get("Content-Encoding") == "gzip"
    return raw, (gzip.decompress(raw) if packed else raw).decode(errors="replace")


def first_page_bytes(address: str) -> int:
    """The page, what it names, the code of the list of runs, and all that these import statically.

    Graph, plots and the other language load later and do not count.
    """
    raw, html = fetch(address + "/")
    waiting = re.findall(r"<(?:script|link)[^>]+(?:src|href)=\"(/[^\"]+\.(?:js|css))\"", html)
    if not waiting:
        raise Wrong("the first page names no script: is the console built in?")
    total, seen = len(raw), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        packed, text = fetch(urllib.parse.urljoin(address + "/", path))
        total += len(packed)
        if path.endswith(".js"):
            found = re.findall(r"(?:from|import)\s*\"\./([^\"]+\.js)\"", text)
            found += re.findall(r"\b(runs-page-[\w-]+\.(?:js|css))\"", text)
            waiting += [f"/assets/{name}" for name in found]
    if not any("/runs-page-" in path for path in seen):
        raise Wrong("the first page does not lead to the list of runs: has its file another name?")
    return total


def resident_mib(pid: int) -> float:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024


def serve() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        with subprocess.Popen(
            [str(REGATTA), "serve", "--home", home, "--port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as child:
            try:
                address = wait_ready(child, pathlib.Path(home) / "endpoint.json")
                started = (time.perf_counter() - start) * 1000
                time.sleep(IDLE_SECONDS)
                memory = resident_mib(child.pid)
                page = first_page_bytes(address) / 1024
            finally:
                child.terminate()
        return {"start": started, "idle": memory, "page": page}


def cases(quick: bool) -> list[Case]:
    figures = [
        Figure("start", "start to ready", "new state directory", "ms", must=Must(150)),
        Figure(
            "idle", "resident memory, idle", f"{IDLE_SECONDS:g} s after ready", "MiB", must=Must(60)
        ),
        Figure("page", "first page, gzip", "page, scripts, styles", "KiB", must=Must(500)),
    ]
    ours = Contender("regatta", serve, prepare=built, version=our_version)
    return [Case(figures, ours, rounds=5)]
