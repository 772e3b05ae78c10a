"""Retrying a run: what succeeded is kept, the rest runs, in a new run."""

import json
import os
import pathlib
import signal
import unittest

from harness import Case


class RetryTest(Case):
    def pipeline(self):
        ok = self.folder / "ok"
        return self.write(
            "p.yaml",
            f"""\
            name: retried
            entry_points:
              a:
                artifacts: {{output: [o]}}
                command: 'echo a >> {self.folder}/effects; echo data > {{{{o}}}}'
              b:
                deps: a
                artifacts: {{input: {{i: "{{{{a.o}}}}"}}}}
                command: 'echo b >> {self.folder}/effects; cat {{{{i}}}}; test -e {ok}'
            """,
        )

    def test_what_failed_runs_again_in_a_new_run(self):
        failed, _ = self.run_json(self.pipeline(), code=1)
        (self.folder / "ok").touch()
        out = self.regatta("runs", "retry", "last").out
        self.assertIn(f"which retries run {failed['id']}", out)
        self.assertEqual(self.effects(), ["a", "b", "b"])
        shown = json.loads(self.regatta("runs", "show", "last", "-o", "json").out)
        self.assertEqual(shown["run"]["state"], "succeeded")
        self.assertEqual(shown["run"]["retry_of"], failed["id"])
        explained = self.regatta("runs", "explain", "last", "a").out
        self.assertIn(f"taken over from run {failed['id']}, where it succeeded", explained)
        self.assertEqual(self.regatta("runs", "logs", "last", "b").out, "data\n")
        refused = self.regatta("runs", "retry", "last", code=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("only a failed or terminated run can be retried", refused.err)

    def crash_at(self, point):
        failed, _ = self.run_json(self.pipeline(), code=1)
        (self.folder / "ok").touch()
        server, api = self.serve(REGATTA_FAULT=point)
        path = f"/api/v1/runs/{failed['id']}/retry"
        with self.assertRaises(OSError):
            api.call("POST", path, {}, {"Idempotency-Key": "key-1"})
        server.communicate()
        self.assertEqual(server.returncode, -signal.SIGKILL)
        _, api = self.serve()
        answer = api.call("POST", path, {}, {"Idempotency-Key": "key-1"})
        self.assertIn(answer.status, (200, 201), answer.body)

        def final():
            run = api.call("GET", f"/api/v1/runs/{answer.json['id']}").json
            return run["state"] == "succeeded"

        self.wait_until(final, "the retry succeeds")
        self.assertEqual(api.call("GET", "/api/v1/runs").json["total"], 2)
        self.assertEqual(self.effects(), ["a", "b", "b"])

    def test_a_crash_before_the_retry_is_stored_makes_one_run(self):
        self.crash_at("flow.turn.before_commit")

    def test_a_crash_before_the_answer_makes_one_run(self):
        self.crash_at("server.idempotency.before_answer")


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
