"""Runs kept in a real PostgreSQL, which stops and starts, and dies, while they go on."""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import Api
from kills import SEED, KillCase

STEPS = 120


class Postgres:
    """A server of its own on a Unix socket, as the user postgres when the test is root."""

    def __init__(self):
        folders = pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")
        self.bin = max(folders, key=lambda path: int(path.parts[-3])).parent
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="regatta-pg-"))
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.server = None
        self.tool("initdb", "-D", self.folder / "data", "-A", "trust", "-E", "UTF8",
                  "--no-locale", "-U", "regatta")  # fmt: skip
        self.start()
        self.tool("createdb", "-h", self.folder, "-U", "regatta", "regatta")
        self.url = f"postgresql:///regatta?user=regatta&host={self.folder}"

    def tool(self, name, *arguments):
        done = subprocess.run(
            [self.bin / name, *arguments], user=self.user, cwd="/", capture_output=True, text=True
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"
        return done.stdout

    def start(self):
        with (self.folder / "server.log").open("a") as log:
            self.server = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", "-k", self.folder, "-c",
                 "listen_addresses=", "-c", "shared_buffers=16MB"],
                user=self.user, cwd="/", stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        ready = [self.bin / "pg_isready", "-q", "-h", self.folder]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self.server.poll() is None and time.monotonic() < deadline, (
                self.folder / "server.log"
            ).read_text()
            time.sleep(0.02)

    def stop(self, how):
        """SIGINT: ends all connections. SIGQUIT: at once, as after a crash. SIGKILL: a crash."""
        backends = [
            int(pid)
            for pid in pathlib.Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
            .read_text()
            .split()
        ]
        self.server.send_signal(how)
        self.server.wait()
        # What a killed postmaster leaves must be gone before another may start.
        while any(pathlib.Path(f"/proc/{pid}/fd/0").exists() for pid in backends):
            time.sleep(0.01)

    def rows(self, sql):
        out = self.tool("psql", "-h", self.folder, "-U", "regatta", "-d", "regatta", "-AtqF\x1f",
                        "-R\x1e", "-c", sql)  # fmt: skip
        return [tuple(row.split("\x1f")) for row in out.rstrip("\n").split("\x1e") if row]

    def end(self):
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGQUIT)
            self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresTest(KillCase):
    def setUp(self):
        super().setUp()
        self.postgres = Postgres()
        self.addCleanup(self.postgres.end)
        self.store = ("--store", self.postgres.url)

    def rows(self, sql):
        return self.postgres.rows(sql)

    def begun(self, share):
        self.wait_until(
            lambda: len(self.launches()) >= STEPS * share, f"{share:.0%} of the steps have begun"
        )

    def check(self):
        self.assertFalse(self.end_strays(), "processes were left over")
        self.check_store(self.check_effects(STEPS))

    def test_the_run_goes_on_when_the_database_comes_back(self):
        print(f"seed {SEED}", flush=True)
        owner = self.start_owner()
        self.wait_for_line(owner, "Console: ")
        run_id = self.submit(self.pipeline(STEPS, pause=(0.02, 0.2)))
        for share, how in (
            (0.1, signal.SIGINT),
            (0.3, signal.SIGQUIT),
            (0.5, signal.SIGKILL),
            (0.7, signal.SIGKILL),
        ):
            self.begun(share)
            self.postgres.stop(how)
            # What runs goes on meanwhile; nothing more may start, and who asks is told why.
            self.assertIsNone(owner.poll())
            answer = Api(self.home).call("GET", f"/api/v1/runs/{run_id}")
            self.assertEqual(answer.status, 503, answer.body)
            self.postgres.start()
        self.wait_for_success(run_id)
        self.assertEqual(self.end(owner), 0)
        self.check()

    def test_a_commit_whose_answer_is_lost_is_not_made_twice(self):
        # Not one in a hundred restarts hits this: the server has made the commit durable, and the
        # connection ends before it says so.
        # The first start makes the tables; the second commits less than ten times before it serves.
        self.end(self.serve(*self.store)[0])
        lost = ",".join(f"store.commit.answer_lost:error:{n}" for n in (12, 13, 14, 20, 30, 41))
        owner = self.start_owner(REGATTA_FAULT=lost)
        self.wait_for_line(owner, "Console: ")
        run_id = self.submit(self.pipeline(STEPS, pause=(0, 0.02)))
        self.wait_for_success(run_id)
        self.assertEqual(self.end(owner), 0)
        self.assertEqual(owner.err.count("went away during a commit"), 6, owner.err)
        self.check()

    def test_owner_and_database_die_in_turn(self):
        owner = self.start_owner()
        self.wait_for_line(owner, "Console: ")
        run_id = self.submit(self.pipeline(STEPS, pause=(0.02, 0.2)))
        for number in range(1, 9):
            self.begun(number / 10)
            if number % 3 == 0:
                self.postgres.stop(signal.SIGKILL)
                self.kill(owner)
                self.postgres.start()
            else:
                self.kill(owner)
            self.assertEqual(
                self.rows(f"SELECT finished_at FROM flow_runs WHERE id = '{run_id}'"), [("0",)]
            )
            owner = self.start_owner()
            self.wait_for_line(owner, "Console: ")
        self.wait_for_success(run_id)
        self.ends.append(time.time_ns() // 1000)
        self.assertEqual(self.end(owner), 0)
        self.check()
        self.check_recovery(STEPS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
