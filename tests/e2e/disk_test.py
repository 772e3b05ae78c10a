"""A real disk that is full: the state directory on a small file system of its own."""

import contextlib
import os
import pathlib
import signal
import subprocess
import unittest

from harness import Api, Case

PAGE = 4096
FULL = "o space left on"  # "No space left on device", "no space left on the disk of ..."


class SmallDisk:
    """A tmpfs, to be filled to the last page or the last file, and emptied again."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        options = "size=80m,nr_inodes=2000"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            reason = mounted.stderr.strip()
            raise unittest.SkipTest(f"a full disk needs the right to mount a small tmpfs: {reason}")
        self.filler = folder / "filler"
        self.filler.mkdir()

    def unmount(self):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self, but=0):
        """Takes all pages except `but` of them."""
        with (
            (self.filler / "pages").open("ab", buffering=0) as file,
            contextlib.suppress(OSError),
        ):
            while (free := os.statvfs(self.folder).f_bavail - but) > 0:
                file.write(b"x" * PAGE * min(256, free))

    def take_all_files(self):
        """Leaves room in the files that are there, but none for another file or folder."""
        with contextlib.suppress(OSError):
            for number in range(10_000):
                (self.filler / f"{number}").touch()

    def empty(self):
        for file in self.filler.iterdir():
            file.unlink()


class DiskTest(Case):
    def setUp(self):
        super().setUp()
        self.disk = SmallDisk(self.folder / "disk")
        self.addCleanup(self.disk.unmount)
        self.addCleanup(self.end_all)
        self.home = self.disk.folder / "home"
        self.environment["REGATTA_HOME"] = str(self.home)
        self.gate = self.folder / "gate"

    def create(self, api, name):
        """A run whose first step waits for the gate; what steps do is noted on another disk."""
        effect = f"echo $PF_STEP_NAME >> {self.folder}/effects-{name}"
        yaml = f"""\
name: {name}
entry_points:
  one: {{command: '{effect}; while [ ! -e {self.gate} ]; do sleep 0.02; done'}}
  two:
    deps: one
    artifacts: {{output: [o]}}
    command: '{effect}; until echo data > {{{{o}}}}; do sleep 0.05; done'
post_process: {{report: {{command: '{effect}; cat $REGATTA_RUN_DIR/artifacts.json'}}}}
"""
        return api.call("POST", "/api/v1/runs", {"yaml": yaml}, {"Idempotency-Key": name})

    def start_runs(self, api, names):
        ids = {name: self.create(api, name).json["id"] for name in names}
        for name in names:
            self.wait_until(lambda name=name: self.effects(f"effects-{name}"), f"{name} runs")
        return ids

    def texts(self, api, run_id):
        """Where a person would look for why nothing happens."""
        run = api.call("GET", f"/api/v1/runs/{run_id}").json
        steps = api.call("GET", f"/api/v1/runs/{run_id}/steps").json["items"]
        return [run["message"]] + [step["reason"] for step in steps]

    def wait_until_told(self, api, ids):
        self.wait_until(
            lambda: any(FULL in text for run in ids.values() for text in self.texts(api, run)),
            "a run says that the disk is full",
        )

    def expect_whole(self, api, ids):
        """All succeed, each step ran once."""
        for name, run_id in ids.items():
            run = self.wait_final(api, run_id)
            self.assertEqual(run["state"], "succeeded", (name, self.texts(api, run_id)))
            self.assertEqual(self.effects(f"effects-{name}"), ["one", "two", "report"])

    def wait_final(self, api, run_id):
        def look():
            run = api.call("GET", f"/api/v1/runs/{run_id}").json
            return run if run["state"] in ("succeeded", "failed", "terminated") else None

        return self.wait_until(look, "the run is final")

    def test_a_run_is_made_whole_or_refused(self):
        self.gate.touch()
        _, api = self.serve()
        self.disk.fill()
        ids = {}
        refused = None
        for number in range(100):  # the database may have some room left
            answer = self.create(api, f"r{number}")
            if answer.status != 201:
                refused = f"r{number}"
                break
            ids[f"r{number}"] = answer.json["id"]
        self.assertIsNotNone(refused, "a hundred runs fit on a full disk")
        self.assertEqual(answer.status, 507, answer.body)
        self.assertIn(FULL, answer.json["error"]["message"])
        listed = api.call("GET", "/api/v1/runs").json["items"]
        self.assertEqual({run["name"] for run in listed}, set(ids))
        self.disk.empty()
        answer = self.create(api, refused)
        self.assertEqual(answer.status, 201, answer.body)
        ids[refused] = answer.json["id"]
        self.expect_whole(api, ids)

    def grow_log(self, api):
        """Until the database begins its log anew: then it needs no space for a while."""
        for number in range(20):
            yaml = (
                f"# {'x' * 3_000_000}\nname: big-{number}\nentry_points: {{a: {{command: 'true'}}}}"
            )
            run_id = api.call("POST", "/api/v1/runs", {"yaml": yaml}).json["id"]
            self.wait_final(api, run_id)
            if (self.home / "regatta.db-wal").stat().st_size > 4000 * PAGE:
                return
        self.fail("the log of the database never became as long as it may")

    def go_on(self, fill):
        """Four runs meet a full disk, each at another point, and go on once there is room."""
        _, api = self.serve()
        ids = self.start_runs(api, ["a", "b", "c", "d"])
        fill(api)
        self.gate.touch()
        self.wait_until_told(api, ids)
        self.disk.empty()
        self.expect_whole(api, ids)

    def test_runs_go_on_once_their_state_can_be_stored(self):
        self.go_on(lambda _: self.disk.fill())

    def test_runs_go_on_once_their_steps_can_be_started(self):
        def fill(api):
            self.grow_log(api)
            self.disk.fill(but=6)  # some for the folder of a job, its token, its exit file

        self.go_on(fill)

    def test_runs_go_on_once_files_can_be_made_again(self):
        self.go_on(lambda _: self.disk.take_all_files())

    def test_a_run_that_waits_for_room_can_be_stopped(self):
        _, api = self.serve()
        ids = self.start_runs(api, ["a", "b", "c", "d"])
        self.grow_log(api)
        self.disk.fill(but=1)
        self.gate.touch()
        for run_id in ids.values():
            self.wait_until_told(api, {"this": run_id})
        before = {name: self.effects(f"effects-{name}") for name in ids}
        for run_id in ids.values():
            answer = api.call("POST", f"/api/v1/runs/{run_id}/stop", {"force": False})
            self.assertLess(answer.status, 300, answer.body)
        self.disk.empty()
        for name, run_id in ids.items():
            self.assertEqual(self.wait_final(api, run_id)["state"], "terminated")
            self.assertEqual(self.effects(f"effects-{name}"), before[name] + ["report"])

    def test_an_owner_killed_on_a_full_disk_loses_nothing(self):
        server, api = self.serve()
        ids = self.start_runs(api, ["a", "b"])
        self.disk.fill()
        self.gate.touch()
        self.wait_until_told(api, ids)
        self.end(server, signal.SIGKILL)
        # The next owner starts there, or says why it cannot.
        server = self.start("serve", "--port", "0")
        line = self.wait_for_line_or_end(server, "Console: ")
        if line is None:
            self.assertIn(FULL, server.err)
            self.disk.empty()
            _, api = self.serve()
        else:
            api = Api(self.home)
            self.disk.empty()
        self.expect_whole(api, ids)

    def wait_for_line_or_end(self, process, text):
        for line in process.stdout:
            if text in line:
                return line
        process.out, process.err = process.communicate(timeout=self.patience)
        return None


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
