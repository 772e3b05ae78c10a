"""A `regatta serve` of our own build, on loopback, with what is needed to talk to it."""

import contextlib
import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from bench.harness.case import Missing, Wrong
from bench.harness.machine import ROOT

REGATTA = ROOT / "build/release/bin/regatta"


def built() -> None:
    if not REGATTA.is_file():
        raise Missing(f"{REGATTA.relative_to(ROOT)} is not built; make build does it")


def ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address + "/readyz", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def wait_ready(child: subprocess.Popen[bytes], endpoint: pathlib.Path) -> str:
    """Polls at 1 ms, the resolution of the figure, until the server answers that it is ready."""
    deadline = time.perf_counter() + 30
    while time.perf_counter() < deadline:
        if child.poll() is not None:
            raise Wrong(f"regatta serve ended with {child.returncode} before it was ready")
        try:
            address = json.loads(endpoint.read_text())["address"]
        except (OSError, ValueError):
            address = None
        if address and ready(address):
            return address
        time.sleep(0.001)
    raise Wrong("regatta serve was not ready after 30 s")


class Api:
    """The REST API with the home's bearer token."""

    def __init__(self, address: str, home: pathlib.Path) -> None:
        self.address = address
        self.token = (home / "token").read_text().strip()

    def request(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self.address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def all_items(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.request(f"{path}?limit=1000{cursor}")
            items += page["items"]
            if "next_cursor" not in page:
                return items
            cursor = f"&cursor={page['next_cursor']}"

    def run_to_the_end(self, yaml: str) -> tuple[dict[str, Any], float]:
        """The run once it is final, and when it was submitted (seconds since the epoch)."""
        submitted = time.time()
        run = self.request("/api/v1/runs", {"yaml": yaml})
        deadline = time.perf_counter() + 120
        while time.perf_counter() < deadline:
            run = self.request(f"/api/v1/runs/{run['id']}")
            if run["state"] == "succeeded":
                return run, submitted
            if run["state"] in ("failed", "terminated"):
                raise Wrong(f"a run of the benchmark {run['state']}: {run['message']}")
            time.sleep(0.02)
        raise Wrong("a run of the benchmark did not end within 120 s")


@contextlib.contextmanager
def serving(home: pathlib.Path) -> Iterator[Api]:
    with subprocess.Popen(
        [str(REGATTA), "serve", "--home", str(home), "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            yield Api(wait_ready(child, home / "endpoint.json"), home)
        finally:
            child.terminate()
