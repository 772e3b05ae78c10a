"""`regatta submit` and `regatta jobs` as a user sees them; the blocks of docs/guide/jobs.md."""

import json
import pathlib
import re
import signal
import unittest

from harness import Case

GUIDE = pathlib.Path(__file__).parents[2] / "docs/guide/jobs.md"

TWO_RANKS = """\
    apiVersion: kubeflow.org/v1
    kind: PaddleJob
    metadata: {{name: two}}
    spec:
      runPolicy: {{{policy}}}
      paddleReplicaSpecs:
        Worker:
          replicas: 2
          restartPolicy: {restart}
          template:
            spec:
              containers:
                - name: paddle
                  command: [/bin/sh, -c]
                  args: ['{script}']
"""


class JobsTest(Case):
    def blocks(self):
        found = re.findall(r"^```(\w+) (\S+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
        return {name: text for _, name, text in found}

    def job(self, script, policy="", restart="Never"):
        return self.write(
            "job.yaml", TWO_RANKS.format(script=script, policy=policy, restart=restart)
        )

    def test_the_guides_job_sums_over_two_processes(self):
        blocks = self.blocks()
        file = self.write("sum.yaml", blocks["sum.yaml"])
        self.write("sum.py", blocks["sum.py"])
        process = self.regatta("submit", file, "--follow")
        self.assertIn(blocks["log"], process.out)
        self.assertIn("succeeded", process.out)
        self.assertEqual(self.regatta("jobs", "logs", "last", "--rank", "1").out, blocks["log"])

    def test_what_the_guide_says_is_refused_is(self):
        blocks = self.blocks()
        self.write("refused.yaml", blocks["refused.yaml"])
        process = self.regatta("submit", "refused.yaml", code=2)
        for line in blocks["problems"].splitlines():
            self.assertIn(line, process.err)
        self.assertIn("No jobs yet", self.regatta("jobs").out)

    def test_a_failure_is_told_and_shown(self):
        file = self.job("echo rank $PADDLE_TRAINER_ID; exit 3", "backoffLimit: 0", "OnFailure")
        job = json.loads(self.regatta("submit", file, "--output", "json", code=1).out)
        self.assertEqual(job["state"], "failed")
        self.assertEqual(job["conditions"][-1]["reason"], "PaddleJobFailed")
        self.assertIn("reached the specified backoff limit", job["message"])
        shown = self.regatta("jobs", "show", "last").out
        self.assertRegex(shown, r"Failed +True .* PaddleJobFailed")
        self.assertRegex(shown, r"failed with exit code 3")

    def test_stop_resume_and_delete_through_a_server(self):
        self.serve()
        script = "echo x >> starts; until test -e go; do sleep 0.05; done"
        job = self.regatta("submit", self.job(script), "--detach").out.strip()
        self.wait_until(lambda: len(self.effects("starts")) == 2, "both ranks")
        self.regatta("jobs", "stop", job)
        self.wait_until(lambda: "suspended" in self.regatta("jobs").out, "suspended")
        self.regatta("jobs", "resume", "two")
        self.wait_until(lambda: len(self.effects("starts")) == 4, "both ranks again")
        self.write("go", "")
        self.wait_until(lambda: "succeeded" in self.regatta("jobs").out, "succeeded")
        self.regatta("jobs", "delete", job)
        self.wait_until(lambda: "No jobs yet" in self.regatta("jobs").out, "gone")
        self.assertFalse((self.home / "jobs" / job).exists())

    def test_a_killed_owner_leaves_the_job_to_the_next(self):
        server, _ = self.serve()
        script = "echo x >> starts; until test -e go; do sleep 0.05; done"
        job = self.regatta("submit", self.job(script), "--detach").out.strip()
        self.wait_until(lambda: len(self.effects("starts")) == 2, "both ranks")
        self.end(server, signal.SIGKILL)
        self.serve()
        self.write("go", "")
        self.wait_until(lambda: "succeeded" in self.regatta("jobs").out, "succeeded")
        self.assertEqual(len(self.effects("starts")), 2)
        show = json.loads(self.regatta("jobs", "show", job, "--output", "json").out)
        self.assertEqual(show["restarts"], 0)

    def test_a_killed_owner_loses_no_restart(self):
        # Rank 0 fails once, and its owner dies when it is about to start it again.
        server, _ = self.serve(REGATTA_FAULT="job.restart.before_launch")
        script = "echo x >> starts-$PADDLE_TRAINER_ID; "
        script += "test $PADDLE_TRAINER_ID = 1 || test -e failed || { touch failed; exit 1; }; "
        script += "until test -e go; do sleep 0.05; done"
        job = self.regatta("submit", self.job(script, restart="OnFailure"), "--detach").out.strip()
        self.assertEqual(server.wait(timeout=self.patience), -signal.SIGKILL)
        self.serve()
        self.write("go", "")
        self.wait_until(lambda: "succeeded" in self.regatta("jobs").out, "succeeded")
        show = json.loads(self.regatta("jobs", "show", job, "--output", "json").out)
        starts = len(self.effects("starts-0")) + len(self.effects("starts-1"))
        self.assertEqual(starts, 2 + show["restarts"])
        self.assertEqual(show["restarts"], 1)

    def test_an_owner_killed_while_it_suspends_or_deletes_leaves_it_to_the_next(self):
        script = "echo $$ >> starts; exec sleep 600"
        for point, command, gone in (
            ("training.suspend.after_commit", "stop", "suspended"),
            ("training.delete.after_commit", "delete", "No jobs yet"),
        ):
            with self.subTest(point=point):
                server, _ = self.serve(REGATTA_FAULT=point)
                job = self.regatta("submit", self.job(script), "--detach").out.strip()
                self.wait_until(lambda: len(self.effects("starts")) == 2, "both ranks")
                self.regatta("jobs", command, job, code=None)
                self.assertEqual(server.wait(timeout=self.patience), -signal.SIGKILL)
                server, _ = self.serve()
                self.wait_until(lambda said=gone: said in self.regatta("jobs").out, gone)
                for pid in self.effects("starts"):
                    self.assertFalse(pathlib.Path("/proc", pid).exists())
                self.regatta("jobs", "delete", job, code=None)
                self.end(server)
                (self.folder / "starts").unlink()

    def test_an_owner_killed_while_time_to_live_deletes_leaves_no_folder(self):
        server, _ = self.serve(REGATTA_FAULT="training.erase.after_row")
        job = self.regatta("submit", self.job("exit 0", "ttlSecondsAfterFinished: 0"), "--detach")
        self.assertEqual(server.wait(timeout=self.patience), -signal.SIGKILL)
        folder = self.home / "jobs" / job.out.strip()
        self.assertTrue(folder.exists())
        self.serve()
        self.assertFalse(folder.exists())
        self.assertIn("No jobs yet", self.regatta("jobs").out)

    def test_an_entry_point_needs_images(self):
        file = self.job("true")
        file.write_text(file.read_text().replace("command: [/bin/sh, -c]", "image: tiny"))
        process = self.regatta("submit", file, code=None)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("the entry point of the image tiny is known only where", process.err)

    def test_ctrl_c_stops_the_job(self):
        process = self.start("submit", self.job("echo x >> starts; exec sleep 600"))
        self.wait_until(lambda: len(self.effects("starts")) == 2, "both ranks")
        self.assertEqual(self.end(process, signal.SIGINT), 130)
        self.assertIn("suspended", self.regatta("jobs").out)

    def test_the_api_keeps_its_promises(self):
        _, api = self.serve()
        body = {"yaml": self.job("echo hello").read_text(), "working_directory": str(self.folder)}
        first = api.call("POST", "/api/v1/jobs", body, {"Idempotency-Key": "k"})
        again = api.call("POST", "/api/v1/jobs", body, {"Idempotency-Key": "k"})
        self.assertEqual((first.status, again.status), (201, 200))
        path = "/api/v1/jobs/" + first.json["id"]
        self.wait_until(lambda: api.call("GET", path).json["state"] == "succeeded", "succeeded")
        events = [kind for _, kind, _ in api.events(path + "/logs/stream?rank=1")]
        self.assertEqual(events, ["log", "end"])
        self.assertEqual(api.call("GET", path + "/logs?rank=1&offset=-3").json["text"], "lo\n")
        self.assertEqual(api.call("GET", path + "/logs?rank=2").status, 404)
        self.assertEqual(api.call("POST", path + "/stop").status, 409)
        self.assertEqual(api.call("GET", "/api/v1/jobs?state=running").json["total"], 0)
        self.assertEqual(api.call("GET", "/api/v1/jobs?kind=PaddleJob&name=tw").json["total"], 1)
        self.assertEqual(api.call("GET", "/api/v1/jobs?kind=Job").status, 400)


if __name__ == "__main__":
    unittest.main()
