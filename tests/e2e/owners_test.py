"""Who takes care of runs: looking without owning, stopping what an owner left behind."""

import json
import os
import pathlib
import signal
import sqlite3
import unittest

from harness import Case


class OwnersCase(Case):
    def gated(self, name):
        """A pipeline whose step `two` waits for the file `gate-NAME`."""
        effects = self.folder / f"effects-{name}"
        return self.write(
            f"{name}.yaml",
            f"""\
            name: {name}
            entry_points:
              one: {{command: 'echo one >> {effects}'}}
              two:
                deps: one
                command: 'echo two >> {effects};
                  while [ ! -e {self.gate(name)} ]; do sleep 0.02; done;
                  echo said by two; echo two-end >> {effects}'
              three: {{deps: two, command: 'echo three >> {effects}'}}
            """,
        )

    WHOLE = ["one", "two", "two-end", "three"]

    def gate(self, name):
        return self.folder / f"gate-{name}"

    def reach(self, name, effect):
        self.wait_until(lambda: effect in self.effects(f"effects-{name}"), f"{name}: {effect}")

    def start_gated(self, name):
        """A `regatta run` whose step `two` runs."""
        process = self.start("run", self.gated(name))
        self.reach(name, "two")
        return process

    def stored(self):
        """Everything that the engine has written."""
        with sqlite3.connect(f"file:{self.home}/regatta.db?mode=ro", uri=True) as database:
            return [
                database.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
                for table in ("flow_runs", "flow_steps", "flow_events")
            ]

    def owner_pid(self):
        """Of whoever announced itself last."""
        try:
            return json.loads((self.home / "endpoint.json").read_text())["pid"]
        except FileNotFoundError:
            return None

    def runs(self):
        page = json.loads(self.regatta("runs", "--output", "json").out)
        return {run["name"]: run for run in page["items"]}


class LookTest(OwnersCase):
    def test_looking_resumes_nothing(self):
        self.end(self.start_gated("a"), signal.SIGKILL)
        self.gate("a").touch()
        self.reach("a", "two-end")
        before = self.stored()
        for arguments in (
            ("runs",),
            ("runs", "show", "last"),
            ("runs", "explain", "last", "one"),
            ("runs", "logs", "last", "two"),
        ):
            process = self.regatta(*arguments)
            if arguments[-1] != "two":
                self.assertIn("one" if len(arguments) > 1 else "running", process.out)
            else:
                self.assertEqual(process.out, "said by two\n")
            if len(arguments) == 1 or arguments[1] == "show":
                self.assertIn("Nobody takes care of unfinished runs", process.err)
        self.assertEqual(self.stored(), before)
        self.assertEqual(self.effects("effects-a"), ["one", "two", "two-end"])
        # It still goes on when it is asked for, and does nothing twice.
        self.assertIn("Continuing run", self.regatta("run", self.folder / "a.yaml").out)
        self.assertEqual(self.effects("effects-a"), self.WHOLE)

    def test_looking_where_nothing_was_run_makes_nothing(self):
        self.assertIn("No runs yet", self.regatta("runs").out)
        self.assertEqual(self.runs(), {})
        self.assertIn("nothing was stored yet", self.regatta("runs", "show", "last", code=66).err)
        self.assertFalse(self.home.exists())

    def test_looking_beside_an_owner_asks_it(self):
        process = self.start_gated("a")
        seen = self.regatta("runs")
        self.assertIn("running", seen.out)
        self.assertEqual(seen.err, "")
        self.gate("a").touch()
        process.communicate(timeout=self.patience)
        self.assertEqual(process.returncode, 0)


class StopTest(OwnersCase):
    def sleeper(self):
        return self.write(
            "sleeper.yaml",
            f"""\
            name: sleeper
            entry_points:
              sleep:
                command: 'trap "echo stopped >> {self.folder}/effects; exit 1" TERM;
                  echo started >> {self.folder}/effects; while :; do sleep 0.05; done'
              later: {{deps: sleep, command: 'echo later >> {self.folder}/effects'}}
            post_process:
              report: {{command: 'echo report >> {self.folder}/effects'}}
            """,
        )

    def leave_two_runs(self):
        """Both in one directory, their owner killed; returns the id of `sleeper`."""
        server, _ = self.serve()
        run_id = self.regatta("run", self.sleeper(), "--detach").out.strip()
        self.regatta("run", self.gated("other"), "--detach")
        self.wait_until(self.effects, "the sleeper starts")
        self.reach("other", "two")
        self.end(server, signal.SIGKILL)
        self.gate("other").touch()
        self.reach("other", "two-end")
        return run_id

    def test_stopping_an_interrupted_run_stops_it_and_no_other_goes_on(self):
        run_id = self.leave_two_runs()
        process = self.regatta("runs", "stop", run_id)
        self.assertIn(f"run {run_id} is terminated", process.out)
        self.assertEqual(self.effects(), ["started", "stopped", "report"])
        runs = self.runs()
        self.assertEqual(runs["sleeper"]["state"], "terminated")
        self.assertEqual(runs["other"]["state"], "running")
        self.assertEqual(self.effects("effects-other"), ["one", "two", "two-end"])
        self.assertIn("has ended", self.regatta("runs", "stop", run_id, code=None).err)
        self.assertIn("Continuing run", self.regatta("run", self.folder / "other.yaml").out)
        self.assertEqual(self.effects("effects-other"), self.WHOLE)

    def test_stopping_it_by_force_skips_the_report(self):
        run_id = self.leave_two_runs()
        process = self.regatta("runs", "stop", run_id, "--force", "--output", "json")
        self.assertEqual(json.loads(process.out)["state"], "terminated")
        self.assertEqual(self.effects(), ["started"])

    def test_stop_that_was_itself_killed_can_be_asked_for_again(self):
        file = self.write(
            "stubborn.yaml",
            f"""\
            name: stubborn
            entry_points:
              sleep:
                command: 'trap "echo asked >> {self.folder}/effects" TERM;
                  echo started >> {self.folder}/effects; while :; do sleep 0.05; done'
            """,
        )
        process = self.start("run", file)
        self.wait_until(self.effects, "the step starts")
        self.end(process, signal.SIGKILL)
        stop = self.start("runs", "stop", "last")
        self.wait_until(lambda: "asked" in self.effects(), "the step is asked to stop")
        self.end(stop, signal.SIGKILL)
        again = self.regatta("runs", "stop", "last", "--force")
        self.assertIn("is terminated", again.out)

    def test_a_run_started_while_another_is_being_stopped_continues_its_own(self):
        self.end(self.start_gated("a"), signal.SIGKILL)
        file = self.write(
            "slow.yaml",
            f"""\
            name: slow
            entry_points:
              sleep:
                command: 'trap "while [ ! -e {self.gate("stop")} ];
                  do sleep 0.02; done; exit 1" TERM;
                  echo started >> {self.folder}/effects; while :; do sleep 0.05; done'
            """,
        )
        process = self.start("run", file, "--new")
        self.wait_until(self.effects, "the step starts")
        self.end(process, signal.SIGKILL)
        stop = self.start("runs", "stop", "slow")
        self.wait_until(lambda: self.owner_pid() == stop.pid, "the stop is at work")
        again = self.start("run", self.folder / "a.yaml")
        self.wait_for_line(again, "Continuing run")
        self.gate("a").touch()
        out, err = again.communicate(timeout=self.patience)
        self.assertEqual(again.returncode, 0, out + err)
        self.assertEqual(self.effects("effects-a"), self.WHOLE)
        self.gate("stop").touch()
        stop.communicate(timeout=self.patience)
        self.assertEqual(stop.returncode, 0)


class TakeOverTest(OwnersCase):
    """A `regatta run` that owned the directory ends; others wait for runs of their own."""

    def start_owner_and_client(self):
        owner = self.start_gated("a")
        client = self.start_gated("b")
        self.assertEqual(self.owner_pid(), owner.pid)
        return owner, client

    def finish(self, process, name):
        self.gate(name).touch()
        out, err = process.communicate(timeout=self.patience)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertEqual(self.effects(f"effects-{name}"), self.WHOLE)
        return out

    def test_a_run_goes_on_when_the_owner_is_done_with_its_own(self):
        owner, client = self.start_owner_and_client()
        self.assertIn("Unfinished: b", self.finish(owner, "a"))
        out = self.finish(client, "b")
        self.assertIn("this one goes on with it. Console: http", out)
        self.assertRegex(out, r"Run \w{26} succeeded")

    def test_a_run_goes_on_when_the_owner_is_killed_and_so_does_the_owners(self):
        owner, client = self.start_owner_and_client()
        self.end(owner, signal.SIGKILL)
        self.wait_until(lambda: self.owner_pid() == client.pid, "the client takes over")
        again = self.start("run", self.folder / "a.yaml")
        self.wait_for_line(again, "Continuing run")
        self.finish(client, "b")
        self.finish(again, "a")

    def test_each_waiting_client_gets_its_run(self):
        owner, first = self.start_owner_and_client()
        second = self.start_gated("c")
        self.finish(owner, "a")
        self.wait_until(
            lambda: self.owner_pid() in (first.pid, second.pid), "one of the two takes over"
        )
        order = [(first, "b"), (second, "c")]
        if self.owner_pid() == second.pid:
            order.reverse()
        for process, name in order:
            self.finish(process, name)

    def test_ctrl_c_still_stops_a_run_that_was_taken_over(self):
        owner, client = self.start_owner_and_client()
        self.finish(owner, "a")
        self.wait_for_line(client, "this one goes on with it")
        self.assertEqual(self.end(client, signal.SIGINT), 130)
        self.assertEqual(self.runs()["b"]["state"], "terminated")

    def test_json_output_is_one_document_also_after_a_take_over(self):
        owner = self.start_gated("a")
        client = self.start("run", self.gated("b"), "--output", "json")
        self.reach("b", "two")
        self.finish(owner, "a")
        self.gate("b").touch()
        out, err = client.communicate(timeout=self.patience)
        self.assertEqual(client.returncode, 0, out + err)
        self.assertEqual(json.loads(out)["run"]["state"], "succeeded")

    def test_a_serve_that_comes_first_is_asked(self):
        owner, client = self.start_owner_and_client()
        client.send_signal(signal.SIGSTOP)
        self.finish(owner, "a")
        server, api = self.serve()
        client.send_signal(signal.SIGCONT)
        self.assertIn("another goes on with it", self.finish(client, "b"))
        self.assertEqual(api.pid, server.pid)
        self.assertEqual(self.end(server), 0)

    def test_a_followed_log_goes_on_whoever_owns(self):
        owner, client = self.start_owner_and_client()
        follower = self.start("runs", "logs", "b", "two", "--follow")
        self.finish(owner, "a")
        self.end(client, signal.SIGKILL)
        self.gate("b").touch()
        self.wait_for_line(follower, "said by two")
        # Nobody knows yet how the step ended, so there may be more.
        self.assertIsNone(follower.poll())
        self.assertIn("Continuing run", self.regatta("run", self.folder / "b.yaml").out)
        out, err = follower.communicate(timeout=self.patience)
        self.assertEqual((follower.returncode, out, err), (0, "", ""))
        self.assertEqual(self.effects("effects-b"), self.WHOLE)


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
