"""What the end-to-end tests share: the real program in a state directory of its own."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import textwrap
import threading
import time
import unittest
import urllib.parse

PATIENCE = 90  # seconds; only a broken program takes that long
ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("REGATTA_BIN", str(ROOT / "build/debug/bin/regatta"))


class Answer:
    """One answer of the API."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Api:
    """The API of a running owner."""

    def __init__(self, home):
        endpoint = json.loads((home / "endpoint.json").read_text())
        self.address = urllib.parse.urlsplit(endpoint["address"])
        self.pid = endpoint["pid"]
        self.token = (home / "token").read_text().strip()

    def connect(self):
        return http.client.HTTPConnection(
            self.address.hostname, self.address.port, timeout=PATIENCE
        )

    def call(self, method, path, body=None, headers=None, token=True):
        headers = dict(headers or {})
        if token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def events(self, path, last_id=None):
        """Yields (id, type, data) until the stream ends or the caller stops."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        connection = self.connect()
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            event = {}
            while line := response.readline():
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    continue
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif event:
                    yield int(event["id"]), event["event"], json.loads(event["data"])
                    event = {}
        finally:
            connection.close()


class Case(unittest.TestCase):
    patience = PATIENCE

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="regatta-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.home = self.folder / "home"
        self.processes = []
        self.addCleanup(self.end_all)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("REGATTA_")
        }
        for kept in ("REGATTA_PYTHON", "REGATTA_ECCL_LIBRARY", "REGATTA_TORCH_CACHE"):
            if kept in os.environ:
                self.environment[kept] = os.environ[kept]
        self.environment["REGATTA_HOME"] = str(self.home)
        self.environment["XDG_CONFIG_HOME"] = str(self.folder / "config")

    def end_all(self):
        """Ends what a failed test left: our own processes, and the replicas by their shims."""
        for process in self.processes:
            died = process.poll() not in (None, 0) and not process.stderr.closed
            process.kill()
            err = process.communicate()[1]
            if died:
                print(f"{process.args} ended by itself with {process.returncode}:\n{err}")
        # Until none is found: what was just about to fork is seen in the next look.
        while self.end_strays():
            pass

    def end_strays(self):
        marker = str(self.folder).encode()
        found = False
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            if int(entry.name) == os.getpid():
                continue
            try:
                if marker in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
                    found = True
            except OSError:
                pass
        return found

    def write(self, name, text):
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, *arguments, **environment):
        process = subprocess.Popen(
            [PROGRAM, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
            cwd=self.folder,
        )
        self.processes.append(process)
        return process

    def regatta(self, *arguments, code=0, **environment):
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=self.patience)
        if code is not None:
            self.assertEqual(process.returncode, code, f"{arguments}\n{out}\n{err}")
        process.out, process.err = out, err
        return process

    def serve(self, *arguments, **environment):
        """Starts `serve`; returns its process and its API once it is ready."""
        process = self.start("serve", "--port", "0", *arguments, **environment)
        self.wait_for_line(process, "Console: ")
        return process, Api(self.home)

    def wait_for_line(self, process, text):
        """Reads the program's output up to a line with `text`; ends a program that stays silent."""
        watchdog = threading.Timer(self.patience, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                if text in line:
                    return line
        finally:
            watchdog.cancel()
        err = process.communicate()[1]
        self.fail(f"the program never said {text!r}; it ended with {process.returncode}: {err}")

    def wait_until(self, condition, what):
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.02)  # between looks; the condition is what is waited for
        self.fail(f"never: {what}")

    def end(self, process, with_signal=signal.SIGTERM):
        process.send_signal(with_signal)
        process.out, process.err = process.communicate(timeout=self.patience)
        return process.returncode

    def run_json(self, file, *arguments, code=0):
        process = self.regatta("run", file, "--output", "json", *arguments, code=code)
        answer = json.loads(process.out)
        return answer["run"], {step["name"]: step for step in answer["steps"]}

    def effects(self, name="effects"):
        path = self.folder / name
        return path.read_text().split() if path.exists() else []
