"""What the tests share in which an owner, or its database, dies again and again in a run.

The run has ten chains side by side. Each step appends its name and its job to one file; who reads
that file knows what was really launched, whatever the store says.
"""

import collections
import json
import os
import pathlib
import random
import signal
import sqlite3
import statistics
import time

from harness import Api, Case

KILLS = int(os.environ.get("REGATTA_KILLS", "20"))
STEPS = int(os.environ.get("REGATTA_STEPS", "200"))
SEED = int(os.environ.get("REGATTA_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
CHAINS = 10
PARALLELISM = 8


class KillCase(Case):
    store = ()  # arguments of `serve` that name the database

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.started = []  # wall clock of each owner's start, microseconds
        self.ends = []  # and of its end
        self.lost_jobs = set()  # whose processes were killed, too

    def rows(self, sql):
        with sqlite3.connect(f"file:{self.home}/regatta.db?mode=ro", uri=True) as database:
            return database.execute(sql).fetchall()

    def pipeline(self, steps, pause):
        """Every fifth step has an output, every seventh ends at once, the others after a pause.

        The pauses (seconds, least and most) are there so that an owner that is killed has steps to
        leave behind, and the run is not over before the last kill.
        """
        effects = self.folder / "effects"
        lines = ["name: killed", f"parallelism: {PARALLELISM}", "entry_points:"]
        for i in range(steps):
            command = f"echo s{i} $REGATTA_JOB_ID >> {effects}"
            lines.append(f"  s{i}:")
            if i >= CHAINS:
                lines.append(f"    deps: s{i - CHAINS}")
            if i % 5 == 0:
                lines.append("    artifacts: {output: [o]}")
                command += f"; echo {i} > {{{{o}}}}"
            if i % 7 != 0:
                command += f"; sleep {self.random.uniform(*pause):.2f}"
            lines.append(f"    command: '{command}'")
        return "\n".join(lines) + "\n"

    def launches(self):
        """(step, job) of each process that ran, in order."""
        words = self.effects()
        return list(zip(words[::2], words[1::2], strict=False))

    def start_owner(self, **environment):
        self.started.append(time.time_ns() // 1000)
        return self.start("serve", "--port", "0", *self.store, **environment)

    def submit(self, yaml):
        answer = Api(self.home).call("POST", "/api/v1/runs", {"yaml": yaml})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json["id"]

    def kill(self, owner):
        """Also when it has killed itself at a fault point."""
        owner.kill()
        owner.communicate(timeout=self.patience)
        self.assertEqual(owner.returncode, -signal.SIGKILL)
        self.ends.append(time.time_ns() // 1000)

    def wait_for_success(self, run_id):
        api = Api(self.home)
        self.wait_until(
            lambda: (
                api.call("GET", f"/api/v1/runs/{run_id}").json["state"]
                not in ("pending", "running", "terminating")
            ),
            "the run ends",
        )
        run = api.call("GET", f"/api/v1/runs/{run_id}").json
        self.assertEqual(run["state"], "succeeded", run)

    def job_folder(self, job):
        ((detail,),) = self.rows(
            "SELECT d.detail FROM flow_steps s JOIN flow_step_details d ON d.step_id = s.id "
            f"WHERE s.job_id = '{job}'"
        )
        return pathlib.Path(json.loads(detail)["job_folder"])

    def check_effects(self, steps):
        """One process a step, and one more for each that was killed. Returns these numbers."""
        launches = self.launches()
        jobs = collections.Counter(job for _, job in launches)
        again = [job for job, times in jobs.items() if times > 1]
        self.assertEqual(again, [], "jobs that were launched twice")
        attempts = collections.Counter(step for step, _ in launches)
        self.assertEqual(len(attempts), steps)
        lost = collections.Counter(step for step, job in launches if job in self.lost_jobs)
        for step, times in attempts.items():
            self.assertEqual(times, 1 + lost[step], f"launches of {step}")
        return attempts

    def check_store(self, attempts):
        """One success a step, by the job that ran last, and each told once."""
        rows = self.rows(
            "SELECT name, state, attempts, reason, started_at, finished_at, job_id FROM flow_steps"
        )
        self.assertEqual(len(rows), len(attempts))
        last_job = dict(self.launches())
        for name, state, stored_attempts, reason, started, finished, job in rows:
            self.assertEqual((name, state), (name, "succeeded"))
            self.assertEqual(int(stored_attempts), attempts[name], name)
            self.assertEqual(job, last_job[name], name)
            self.assertLessEqual(int(started), int(finished), name)
            if attempts[name] > 1:
                self.assertIn(f"attempt {attempts[name]}", reason, name)
        told = collections.Counter()
        for (data,) in self.rows("SELECT data FROM flow_events WHERE type = 'step'"):
            step = json.loads(data)
            told[step["name"]] += step["state"] == "succeeded"
        self.assertEqual(set(told.values()), {1}, "each success is told once")
        self.assertEqual(len(told), len(attempts))

    def check_recovery(self, steps):
        """From each owner's start until it decided on a step, for those that lived so long."""
        decisions = sorted(int(at) for (at,) in self.rows("SELECT started_at FROM flow_steps"))
        seconds = []
        for begin, end in zip(self.started[1:], self.ends[1:], strict=False):
            first = next((at for at in decisions if at > begin), None)
            if first is not None and first < end:
                seconds.append((first - begin) / 1e6)
        self.assertGreater(len(seconds), 0)
        limit = 1 + 10e-6 * steps
        print(
            f"recovery, {len(seconds)} owners: median {statistics.median(seconds):.3f} s, "
            f"worst {max(seconds):.3f} s; wanted at most {limit:.3f} s",
            flush=True,
        )
        self.assertLessEqual(statistics.median(seconds), limit)
