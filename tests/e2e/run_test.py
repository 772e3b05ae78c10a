"""`regatta run` as a user sees it: what runs, what is skipped and why, how it fails and stops."""

import os
import pathlib
import signal
import unittest

from harness import Case

CHAIN = """\
    name: chain
    cache: {{enable: true}}
    entry_points:
      first:
        artifacts: {{output: [data]}}
        command: "echo first >> {effects}; echo 1 > {{{{data}}}}"
      work:
        deps: first
        parameters: {{rates: [1, {rate}]}}
        loop_argument: "{{{{rates}}}}"
        artifacts: {{input: {{data: "{{{{first.data}}}}"}}, output: [result]}}
        command: >-
          echo work-{{{{PF_LOOP_ARGUMENT}}}} >> {effects};
          echo {{{{PF_LOOP_ARGUMENT}}}} > {{{{result}}}}
      last:
        deps: work
        artifacts: {{input: {{results: "{{{{work.result}}}}"}}}}
        command: "echo last >> {effects}; ls {{{{results}}}} || true"
"""


class RunTest(Case):
    def chain(self, rate=2):
        return self.write("chain.yaml", CHAIN.format(effects=self.folder / "effects", rate=rate))

    def test_second_run_is_cached_and_says_why(self):
        run, steps = self.run_json(self.chain())
        self.assertEqual(run["state"], "succeeded")
        self.assertEqual(sorted(self.effects()), ["first", "last", "work-1", "work-2"])
        run, steps = self.run_json(self.chain())
        self.assertEqual(sorted(self.effects()), ["first", "last", "work-1", "work-2"])
        for name, step in steps.items():
            self.assertTrue(step["cached"], name)
            self.assertIn("unchanged", step["reason"], name)
        self.assertEqual(run["cached_steps"], 4)

    def test_a_changed_parameter_reruns_only_what_depends_on_it(self):
        self.run_json(self.chain())
        _, steps = self.run_json(self.chain(rate=3))
        self.assertEqual(
            {name for name, step in steps.items() if not step["cached"]}, {"work-1", "last"}
        )
        self.assertEqual(sorted(self.effects()[4:]), ["last", "work-3"])
        self.assertRegex(steps["work-1"]["reason"], "(?i)loop argument|parameter")

    def test_plain_output_has_a_line_a_change_and_a_table(self):
        process = self.regatta("run", self.chain())
        self.assertRegex(process.out, r"\d\d:\d\d:\d\d first running")
        self.assertRegex(process.out, r"(?m)^Console: http://127\.0\.0\.1:\d+/#code=\w+$")
        self.assertRegex(process.out, r"Run \w{26} succeeded in ")
        self.assertNotIn("\x1b", process.out)

    def test_explain_prints_the_parts_of_the_key(self):
        self.regatta("run", self.chain())
        self.regatta("run", self.chain(rate=3))
        process = self.regatta("runs", "explain", "last", "work-1")
        self.assertRegex(process.out, r"(?m)^\* loop argument\s+3\s+2")

    def test_explain_says_why_in_every_state(self):
        file = self.write(
            "why.yaml",
            """\
            name: why
            cache: {enable: true}
            failure_options: {strategy: continue}
            disabled: off
            entry_points:
              good: {command: "true", env: {COLOUR: red}}
              off: {command: "true"}
              never: {command: "true", condition: 1 > 2}
              bad: {command: exit 3}
              behind: {command: "true", deps: bad}
              group: {entry_points: {inner: {command: "true"}}}
              twice:
                cache: {enable: false}
                retry: {limit: 1}
                command: 'test -e "$REGATTA_RUN_DIR/x" || { touch "$REGATTA_RUN_DIR/x"; exit 4; }'
            """,
        )
        self.regatta("run", file, code=1)
        self.write("why.yaml", file.read_text().replace("COLOUR: red", "SHADE: blue"))
        self.regatta("run", file, code=1)

        def explain(step):
            return self.regatta("run", "explain", "last", step).out

        for step, *patterns in (
            (
                "good",
                r"good \(succeeded\)",
                r"(?m)^\* env SHADE +blue +-$",
                r"(?m)^\* env COLOUR +- +red$",
            ),
            ("off", r"off \(skipped\)", r"reason +disabled"),
            ("never", r"never \(skipped\)", r"its condition is false: 1 > 2"),
            ("bad", r"bad \(failed\)", r"reason .*failed with exit code 3"),
            ("behind", r"behind \(cancelled\)", r'needs "bad", which did not succeed'),
            ("group", r"group \(succeeded\)", r"its steps succeeded or were skipped"),
            (
                "group.inner",
                r"reason +unchanged since run why of .*taken from its step group.inner",
            ),
            ("twice", r"attempt 2 after: rank 0 .*exit code 4", r"cache +off for this step"),
        ):
            out = explain(step)
            for pattern in patterns:
                self.assertRegex(out, pattern)
            self.assertNotIn("pending", out)

    def test_a_file_may_be_called_explain(self):
        self.write("explain", "name: p\nentry_points: {a: {command: 'true'}}\n")
        for name in ("explain", "./explain"):
            process = self.regatta("run", name)
            self.assertRegex(process.out, r"Run \w{26} succeeded")

    def test_a_killed_rank_is_named(self):
        file = self.write(
            "ranks.yaml",
            """\
            name: ranks
            entry_points:
              train:
                command: 'echo rank $RANK speaks; test $RANK = 1 && kill -9 $$; sleep 100'
                distributed_job:
                  framework: pytorch
                  members: [{role: worker, replicas: 2}]
            """,
        )
        process = self.regatta("run", file, code=1)
        self.assertRegex(process.err, r'step "train" failed: rank 1 .*SIGKILL')
        self.assertIn("| rank 1 speaks", process.err)

    def sleeper(self):
        return self.write(
            "sleeper.yaml",
            f"""\
            name: sleeper
            entry_points:
              sleep:
                command: 'trap "echo stopped >> {self.folder}/effects; exit 1" TERM;
                  echo started >> {self.folder}/effects; while :; do sleep 0.05; done'
            post_process:
              report: {{command: 'echo report >> {self.folder}/effects'}}
            """,
        )

    def test_ctrl_c_once_stops_politely(self):
        process = self.start("run", self.sleeper())
        self.wait_until(self.effects, "the step starts")
        self.end(process, signal.SIGINT)
        self.assertEqual(process.returncode, 130, process.out + process.err)
        self.assertEqual(self.effects(), ["started", "stopped", "report"])
        self.assertIn("Stopping politely", process.out)

    def test_ctrl_c_twice_stops_at_once(self):
        file = self.write(
            "stubborn.yaml",
            f"""\
            name: stubborn
            entry_points:
              sleep:
                command: 'trap "" TERM; echo started >> {self.folder}/effects;
                  while :; do sleep 0.05; done'
            """,
        )
        process = self.start("run", file)
        self.wait_until(self.effects, "the step starts")
        process.send_signal(signal.SIGINT)
        self.wait_for_line(process, "Stopping politely")
        self.end(process, signal.SIGINT)
        self.assertEqual(process.returncode, 130, process.out + process.err)
        self.assertIn("Stopping at once", process.out)

    def test_a_client_of_a_running_server_gets_the_same(self):
        server, api = self.serve()
        process = self.regatta("run", self.chain())
        self.assertNotIn("Console:", process.out)
        self.assertIn("succeeded", process.out)
        run_id = self.regatta("run", self.chain(), "--detach").out.strip()
        self.assertEqual(api.call("GET", f"/api/v1/runs/{run_id}").status, 200)
        self.assertEqual(self.end(server), 0)

    def test_a_client_whose_server_dies_says_how_to_go_on(self):
        server, _ = self.serve()
        process = self.start("run", self.sleeper())
        self.wait_until(self.effects, "the step starts")
        self.end(server, signal.SIGKILL)
        process.out, process.err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 69, process.out + process.err)
        self.assertIn("run the same command again", process.err)


class CrashTest(Case):
    """kill -9 in mid-run, then the same command again: a whole run, no step done twice."""

    def pipeline(self):
        effects = self.folder / "effects"
        gate = self.folder / "gate"
        return self.write(
            "crash.yaml",
            f"""\
            name: crash
            entry_points:
              one: {{command: 'echo one >> {effects}'}}
              two:
                deps: one
                command: 'echo two >> {effects}; while [ ! -e {gate} ]; do sleep 0.02; done;
                  echo two-end >> {effects}'
              three: {{deps: two, command: 'echo three >> {effects}'}}
            """,
        )

    WHOLE = ["one", "two", "two-end", "three"]

    def open_gate(self):
        (self.folder / "gate").touch()

    def test_killed_run_is_continued(self):
        file = self.pipeline()
        process = self.start("run", file)
        self.wait_until(lambda: "two" in self.effects(), "step two starts")
        self.end(process, signal.SIGKILL)
        again = self.start("run", file)
        line = self.wait_for_line(again, "Continuing run")
        self.assertIn("was interrupted", line)
        self.open_gate()
        out, err = again.communicate(timeout=60)
        self.assertEqual(again.returncode, 0, out + err)
        self.assertEqual(self.effects(), self.WHOLE)

    def test_step_that_ended_while_nobody_watched_is_not_done_again(self):
        file = self.pipeline()
        process = self.start("run", file)
        self.wait_until(lambda: "two" in self.effects(), "step two starts")
        self.end(process, signal.SIGKILL)
        self.open_gate()
        self.wait_until(lambda: "two-end" in self.effects(), "step two ends")
        again = self.regatta("run", file)
        self.assertIn("Continuing run", again.out)
        self.assertEqual(self.effects(), self.WHOLE)

    def test_killed_serve_goes_on_after_its_restart(self):
        file = self.pipeline()
        server, _ = self.serve()
        run_id = self.regatta("run", file, "--detach").out.strip()
        self.wait_until(lambda: "two" in self.effects(), "step two starts")
        self.end(server, signal.SIGKILL)
        server, api = self.serve()
        self.open_gate()
        self.wait_until(
            lambda: api.call("GET", f"/api/v1/runs/{run_id}").json["state"] == "succeeded",
            "the run succeeds",
        )
        self.assertEqual(self.effects(), self.WHOLE)
        self.assertEqual(self.end(server), 0)


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
