"""Many requests at once about one run: each is taken or refused, and nothing happens twice."""

import collections
import functools
import json
import signal
import sqlite3
import threading
import unittest

from harness import Case

CLIENTS = 12


class RacesTest(Case):
    def at_once(self, *calls):
        """Makes all calls at the same moment; the answers in the order of the calls."""
        barrier = threading.Barrier(len(calls))
        answers = [None] * len(calls)

        def make(i, call):
            barrier.wait()
            answers[i] = call()

        threads = [threading.Thread(target=make, args=item) for item in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def stored(self, sql):
        with sqlite3.connect(f"file:{self.home}/regatta.db?mode=ro", uri=True) as database:
            return database.execute(sql).fetchall()

    def wait_for_end(self, api, run_id):
        return self.wait_until(
            lambda: (
                run
                if (run := api.call("GET", f"/api/v1/runs/{run_id}").json)["state"]
                in ("succeeded", "failed", "terminated")
                else None
            ),
            f"run {run_id} ends",
        )

    def pipeline(self, seconds):
        """One step fails, so that there is something to retry; each notes its job."""
        effects = self.folder / "effects"
        lines = ["name: raced", "parallelism: 8", "failure_options: {strategy: continue}"]
        lines += [
            "entry_points:",
            f"  bad: {{command: 'echo bad-$REGATTA_JOB_ID >> {effects}; exit 3'}}",
        ]
        for i in range(6):
            command = f"echo s{i}-$REGATTA_JOB_ID >> {effects}; sleep {seconds}"
            lines.append(f"  s{i}: {{command: '{command}'}}")
        return "\n".join(lines) + "\n"

    def test_stops_and_retries_race_with_the_end(self):
        _, api = self.serve()
        for round_number in range(8):
            # Sleeps that end about when the requests come, so that every order is met.
            seconds = 0.02 * round_number
            yaml = self.pipeline(seconds)
            run_id = api.call("POST", "/api/v1/runs", {"yaml": yaml}).json["id"]
            path = f"/api/v1/runs/{run_id}"
            stop = functools.partial(api.call, "POST", f"{path}/stop")
            force = functools.partial(api.call, "POST", f"{path}/stop", {"force": True})
            retry = functools.partial(api.call, "POST", f"{path}/retry")
            delete = functools.partial(api.call, "DELETE", path)
            calls = [stop] * 3 + [force] * 3 + [retry] * 3 + [delete] * 2
            answers = self.at_once(*calls)
            for answer in answers:
                self.assertIn(answer.status, (200, 201, 404, 409), answer.body)
            stops, forced, retries = answers[:3], answers[3:6], answers[6:9]
            self.assertLessEqual(sum(a.status == 200 for a in stops), 1, "two plain stops taken")
            self.assertLessEqual(sum(a.status == 200 for a in forced), 1, "two forced stops taken")
            made = sorted(a.json["id"] for a in retries if a.status == 201)
            for retried in made:
                self.wait_for_end(api, retried)
            there = self.stored(f"SELECT id FROM flow_runs WHERE retry_of = '{run_id}' ORDER BY id")
            self.assertEqual([row[0] for row in there], made)
            if any(answer.status == 200 for answer in answers[9:]):
                continue
            # `bad` has failed, or was never started because of a stop.
            run = self.wait_for_end(api, run_id)
            self.assertIn(run["state"], ("failed", "terminated"))
            states = self.stored(f"SELECT DISTINCT state FROM flow_steps WHERE run_id = '{run_id}'")
            self.assertLessEqual(
                {row[0] for row in states}, {"succeeded", "failed", "terminated", "cancelled"}
            )
        jobs = collections.Counter(effect.split("-")[1] for effect in self.effects())
        self.assertEqual([job for job, times in jobs.items() if times > 1], [])

    def test_requests_with_one_key_make_one_run(self):
        effects = self.folder / "effects"
        yaml = f"name: keyed\nentry_points:\n  a: {{command: 'echo ran >> {effects}'}}\n"
        server, api = self.serve()

        def submit():
            return api.call("POST", "/api/v1/runs", {"yaml": yaml}, {"Idempotency-Key": "one"})

        answers = self.at_once(*[submit] * CLIENTS)
        # Those that came before the first was answered may make it, too: it is one run.
        self.assertLessEqual({answer.status for answer in answers}, {200, 201})
        ids = {answer.json["id"] for answer in answers}
        self.assertEqual(len(ids), 1, [answer.body for answer in answers])
        (run_id,) = ids
        self.wait_for_end(api, run_id)

        self.end(server, signal.SIGKILL)
        _, api = self.serve()
        answers = self.at_once(*[submit] * CLIENTS)
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual({answer.json["id"] for answer in answers}, ids)
        page = json.loads(api.call("GET", "/api/v1/runs").body)
        self.assertEqual([run["id"] for run in page["items"]], [run_id])
        self.assertEqual(self.effects(), ["ran"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
