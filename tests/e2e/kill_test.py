"""The owner of a run is killed again and again: nothing is lost, nothing is done twice.

    REGATTA_KILLS=200      how often the owner is killed before the run may end (default 20)
    REGATTA_STEPS=1000     steps of the run (default 200)
    REGATTA_KILL_SEED=7    repeats the random choices of an earlier test, which printed its seed

Every kill happens while the run is unfinished: each has its place on the way through the run (the
number of steps that have begun), which leaves steps for those that come after it. There are four
kinds, drawn at random: a moment after the owner has come to its place; a moment of its start; a
named point of the program (REGATTA_FAULT), so that each window between what is intended, launched,
ended and stored is met; and a moment together with the shim of a step, which then needs a new
attempt.
"""

import collections
import os
import pathlib
import signal
import time
import unittest

from kills import KILLS, PARALLELISM, SEED, STEPS, KillCase

# intent -> launch -> exit file -> stored
POINTS = (
    "flow.turn.before_commit",
    "flow.turn.after_commit",
    "flow.step.before_submit",
    "job.submit.after_intent",
    "job.launch.before_replica",
    "job.launch.after_spawn",
    "flow.step.after_submit",
    "job.finish.before_event",
    "flow.step.before_success",
    "store.commit.before",
    "store.commit.after",
)


class KillTest(KillCase):
    def wait_begun(self, owner, steps):
        """Until that many steps have begun, or the owner has killed itself."""
        self.wait_until(
            lambda: len(self.launches()) >= steps or owner.poll() is not None,
            f"{steps} steps have begun",
        )

    def kill_at_a_point(self, place):
        """At a named point on the way to that place, or there when it is not met."""
        point = f"{self.random.choice(POINTS)}:kill:{self.random.randrange(1, 12)}"
        owner = self.start_owner(REGATTA_FAULT=point)
        self.wait_begun(owner, place)
        met = owner.poll() is not None
        self.kill(owner)
        return point.split(":")[0] if met else "a moment of its work"

    def kill_at_work(self, place):
        owner = self.start_owner()
        self.wait_begun(owner, place)
        time.sleep(self.random.uniform(0, 0.03))  # the random moment
        self.kill(owner)
        return "a moment of its work"

    def kill_at_start(self):
        owner = self.start_owner()
        time.sleep(self.random.uniform(0.005, 0.15))  # the random moment
        self.kill(owner)
        return "a moment of its start"

    def kill_with_a_step(self):
        """The owner, and then the shim of a step that runs."""
        owner = self.start_owner()
        self.wait_begun(owner, len(self.launches()) + 1)
        self.kill(owner)
        for _, job in reversed(self.launches()[-2 * PARALLELISM :]):
            if job not in self.lost_jobs and self.kill_shim(job):
                self.lost_jobs.add(job)
                return "with a step"
        return "a moment of its work"

    def kill_shim(self, job):
        """Whether it was killed before it had written how its step ended."""
        token = self.job_folder(job) / "shim/rank-0.token"
        lines = dict(line.split(" ", 1) for line in token.read_text().splitlines())
        pid, start_time = lines["shim"].split()[:2]
        try:
            fd = os.pidfd_open(int(pid))
        except ProcessLookupError:
            return False
        try:
            # Its start time tells that the pid is still the shim's.
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[19] != start_time:
                return False
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError):
            return False
        finally:
            os.close(fd)
        # Its death may be a moment away yet: the token is locked while it lives.
        self.wait_until(lambda: not pathlib.Path(f"/proc/{pid}/fd/0").exists(), "the shim is gone")
        return "end\n" not in token.with_suffix(".exit").read_text()

    def kill_somehow(self, number, place):
        if number % 10 == 5:
            return self.kill_with_a_step()
        draw = self.random.random()
        if draw < 0.2:
            return self.kill_at_start()
        if draw < 0.6:
            return self.kill_at_a_point(place)
        return self.kill_at_work(place)

    def test_every_step_succeeds_once_and_is_launched_once(self):
        print(f"seed {SEED}: {KILLS} kills in a run of {STEPS} steps", flush=True)
        owner = self.start_owner()
        self.wait_for_line(owner, "Console: ")
        run_id = self.submit(self.pipeline(STEPS, pause=(0.1, 0.7)))
        self.kill(owner)
        kinds = collections.Counter(["at once"])
        # The last steps are left for the last owner, whatever the random moments let pass.
        room = STEPS - 2 * PARALLELISM - 20
        for number in range(1, KILLS):
            begun = len(self.launches())
            place = begun + max(1, (room - begun) // (KILLS - number + 1))
            self.assertLess(place, STEPS, "the run is over before the last kill")
            kinds[self.kill_somehow(number, place)] += 1
            ended = self.rows(f"SELECT finished_at FROM flow_runs WHERE id = '{run_id}'")
            self.assertEqual(ended, [(0,)], f"kill {number} came after the end")
        self.assertEqual(sum(kinds.values()), KILLS)
        print(f"kills: {dict(kinds)}", flush=True)

        last = self.start_owner()
        self.wait_for_line(last, "Console: ")
        self.wait_for_success(run_id)
        self.ends.append(time.time_ns() // 1000)
        self.assertEqual(self.end(last), 0)
        self.assertFalse(self.end_strays(), "processes were left over")
        self.check_store(self.check_effects(STEPS))
        self.check_recovery(STEPS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
