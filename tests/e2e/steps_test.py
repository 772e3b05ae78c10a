"""Steps that behave badly: they flood, leave daemons, ignore the request to stop."""

import pathlib
import re
import unittest

from harness import Case

GIBIBYTE = 1 << 30


class StepsTest(Case):
    def submit(self, api, command, fields=""):
        yaml = f"name: bad\nentry_points:\n  a: {{command: '{command}'{fields}}}\n"
        answer = api.call("POST", "/api/v1/runs", {"yaml": yaml})
        self.assertEqual(answer.status, 201, answer.body)
        return f"/api/v1/runs/{answer.json['id']}"

    def wait_for_end(self, api, path):
        def ended():
            run = api.call("GET", path).json
            return run if run["state"] in ("succeeded", "failed", "terminated") else None

        return self.wait_until(ended, "the run ends")

    def step(self, api, path):
        (step,) = api.call("GET", f"{path}/steps").json["items"]
        return api.call("GET", f"{path}/steps/{step['id']}").json

    def test_a_gibibyte_of_output_costs_the_owner_no_memory(self):
        server, api = self.serve()
        path = self.submit(api, f"yes 0123456789abcde | head -c {GIBIBYTE}")
        self.assertEqual(self.wait_for_end(api, path)["state"], "succeeded")
        step = self.step(api, path)
        self.assertEqual(step["ranks"][0]["log_bytes"], GIBIBYTE)
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024
        self.assertLess(peak, 200, "MiB at the most")
        end = api.call("GET", f"{path}/steps/{step['id']}/logs?offset={GIBIBYTE - 16}&limit=100")
        self.assertEqual(end.status, 200, end.body)
        self.assertIn(b"0123456789abcde", end.body)

    def daemon(self):
        """Forked twice, in a session of its own; returns the command and where its pid will be."""
        pid = self.folder / "daemon"
        return f'(setsid sh -c "sleep 300 & echo \\$! > {pid}; wait" &)', pid

    def check_gone(self, pid):
        entry = pathlib.Path(f"/proc/{int(pid.read_text())}/cmdline")

        def gone():
            try:
                return b"sleep" not in entry.read_bytes()
            except OSError:
                return True

        self.wait_until(gone, "the daemon is gone")

    def test_a_daemon_ends_with_its_step(self):
        _, api = self.serve()
        command, pid = self.daemon()
        path = self.submit(api, f"{command}; while [ ! -s {pid} ]; do sleep 0.01; done")
        self.assertEqual(self.wait_for_end(api, path)["state"], "succeeded")
        self.check_gone(pid)

    def test_a_daemon_ends_when_its_step_is_stopped(self):
        _, api = self.serve()
        command, pid = self.daemon()
        # The step ignores the request to stop, too.
        path = self.submit(
            api, f'trap "" TERM; {command}; while :; do sleep 0.05; done', ", grace: 1s"
        )
        self.wait_until(lambda: pid.exists() and pid.read_text().strip(), "the daemon runs")
        self.assertEqual(api.call("POST", f"{path}/stop").status, 200)
        self.assertEqual(self.wait_for_end(api, path)["state"], "terminated")
        self.check_gone(pid)

    def test_the_signal_that_ended_a_step_is_named(self):
        _, api = self.serve()
        path = self.submit(api, "exec >&- 2>&-; kill -SEGV $$")
        self.assertIn("SIGSEGV", self.wait_for_end(api, path)["message"])
        self.assertEqual(self.step(api, path)["ranks"][0]["signal"], 11)


if __name__ == "__main__":
    unittest.main(verbosity=2)
