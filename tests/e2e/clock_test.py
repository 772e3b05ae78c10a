"""The wall clock of the owner is set forward and back while a run goes on."""

import sqlite3
import time
import unittest

from harness import Case

DAY = 24 * 3600


class ClockTest(Case):
    def setUp(self):
        super().setUp()
        self.offset = self.folder / "offset"
        self.set_clock(0)

    def set_clock(self, seconds):
        """Of programs started with REGATTA_CLOCK_OFFSET; never seen half written."""
        new = self.folder / "offset.new"
        new.write_text(f"{seconds}\n")
        new.rename(self.offset)

    def serve_with_clock(self):
        return self.serve(REGATTA_CLOCK_OFFSET=str(self.offset))

    def submit(self, api, yaml):
        answer = api.call("POST", "/api/v1/runs", {"yaml": yaml})
        self.assertEqual(answer.status, 201, answer.body)
        return f"/api/v1/runs/{answer.json['id']}"

    def wait_for_end(self, api, path):
        def ended():
            run = api.call("GET", path).json
            return run if run["state"] in ("succeeded", "failed", "terminated") else None

        return self.wait_until(ended, "the run ends")

    def rows(self, sql):
        with sqlite3.connect(f"file:{self.home}/regatta.db?mode=ro", uri=True) as database:
            return database.execute(sql).fetchall()

    def test_a_run_goes_on_when_the_clock_jumps(self):
        # Each step waits until the clock was set; `again` fails once and pauses, `long` has a
        # time-out that must not come, `short` one that must: these are counted by the other clock.
        gate = f"while [ ! -e {self.folder}/gate-$PF_STEP_NAME ]; do sleep 0.01; done"
        yaml = f"""\
name: jumps
failure_options: {{strategy: continue}}
entry_points:
  forward: {{command: 'touch {self.folder}/at-forward; {gate}'}}
  back: {{deps: forward, command: 'touch {self.folder}/at-back; {gate}'}}
  again:
    deps: back
    retry: {{limit: 1, backoff: 200ms}}
    command: 'if [ ! -e {self.folder}/once ]; then touch {self.folder}/once; exit 1; fi'
  long: {{timeout: 1h, command: 'touch {self.folder}/at-long; {gate}'}}
  short: {{deps: back, timeout: 300ms, command: sleep 60}}
"""
        _, api = self.serve_with_clock()
        began = time.monotonic()
        path = self.submit(api, yaml)
        for step, jump in (("forward", 2 * DAY), ("back", -3 * DAY)):
            self.wait_until((self.folder / f"at-{step}").exists, f"{step} runs")
            self.set_clock(jump)
            (self.folder / f"gate-{step}").touch()
        self.wait_until((self.folder / "once").exists, "again has run once")
        self.set_clock(5 * DAY)
        (self.folder / "gate-long").touch()
        run = self.wait_for_end(api, path)
        took = time.monotonic() - began

        self.assertEqual(run["state"], "failed", run)
        states = dict(self.rows("SELECT name, state FROM flow_steps"))
        self.assertEqual(states.pop("short"), "failed", "its time-out holds")
        self.assertEqual(set(states.values()), {"succeeded"}, states)
        self.assertLess(took, 30, "nobody waits for a clock to come back")
        for name, created, started, finished in self.rows(
            "SELECT name, created_at, started_at, finished_at FROM flow_steps"
        ):
            self.assertLessEqual(created, finished, name)
            self.assertLessEqual(started, finished, name)
        ((duration,),) = self.rows("SELECT duration FROM flow_runs")
        self.assertGreaterEqual(duration, 0)
        for step in api.call("GET", f"{path}/steps").json["items"]:
            ranks = api.call("GET", f"{path}/steps/{step['id']}").json["ranks"]
            for rank in ranks:
                lasted = (rank["finished_at"] - rank["started_at"]) / 1e6
                self.assertTrue(0 <= lasted <= took, f"{step['name']} lasted {lasted} s")

    def test_results_are_found_again_when_the_clock_was_set_back(self):
        yaml = (
            "name: cached\ncache: {enable: true, max_expired_time: 3600}\n"
            "entry_points:\n  a: {command: 'true'}\n"
        )
        _, api = self.serve_with_clock()

        def cached_steps():
            return self.wait_for_end(api, self.submit(api, yaml))["cached_steps"]

        self.assertEqual(cached_steps(), 0)
        self.set_clock(-DAY)
        self.assertEqual(cached_steps(), 1)
        self.set_clock(2 * DAY)
        self.assertEqual(cached_steps(), 0, "it is older than an hour, by the clock")
        # The list is in the order of the clock, and complete.
        runs = api.call("GET", "/api/v1/runs").json["items"]
        times = [run["created_at"] for run in runs]
        self.assertEqual(len(runs), 3)
        self.assertEqual(times, sorted(times, reverse=True))


if __name__ == "__main__":
    unittest.main(verbosity=2)
