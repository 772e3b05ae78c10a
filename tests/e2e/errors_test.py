"""What goes wrong around a run: one clear message each, and the right exit code."""

import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import unittest

from harness import Case

GOOD = "name: good\nentry_points:\n  a: {command: 'true'}\n"


class ErrorsTest(Case):
    def assertOneMessage(self, process, *patterns):
        lines = process.err.strip().splitlines()
        self.assertEqual(len(lines), 1, process.err)
        for pattern in patterns:
            self.assertRegex(lines[0], pattern)

    def test_bad_yaml_names_file_line_and_column(self):
        file = self.write("bad.yaml", "name: bad\nentry_points:\n  a: {command: x, dep: b}\n")
        process = self.regatta("run", file, code=2)
        self.assertRegex(process.err, r'bad\.yaml:3:\d+: .*"dep" \(did you mean "deps"\?\)')
        process = self.regatta("validate", file, code=2)
        self.assertRegex(process.err, r'bad\.yaml:3:\d+: .*"dep"')
        process = self.regatta("validate", self.write("good.yaml", GOOD))
        self.assertIn("1 step", process.out)

    def test_every_problem_is_told(self):
        text = "name: bad\nentry_points:\n  a: {command: x, deps: nobody}\n  b: {comand: x}\n"
        process = self.regatta("run", self.write("bad.yaml", text), code=2)
        self.assertIn("nobody", process.err)
        self.assertIn("comand", process.err)

    def test_missing_file(self):
        self.assertOneMessage(self.regatta("run", "nowhere.yaml", code=66), "nowhere.yaml")

    def test_unknown_command_and_option(self):
        process = self.regatta("rnu", code=2)
        self.assertOneMessage(process, r'unknown command "rnu" \(did you mean "run"\?\)')
        process = self.regatta("run", "x.yaml", "--detahc", code=2)
        self.assertOneMessage(process, r'"--detahc" \(did you mean "--detach"\?\)')

    def test_busy_port(self):
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            process = self.regatta("serve", "--listen", f"127.0.0.1:{port}", code=73)
            self.assertOneMessage(process, str(port), "in use", "--port")

    def test_address_that_is_no_loopback(self):
        self.assertOneMessage(self.regatta("serve", "--listen", "0.0.0.0:0", code=2), "loopback")

    def test_two_owners(self):
        server, api = self.serve()
        process = self.regatta("serve", "--port", "0", code=73)
        self.assertOneMessage(process, f"pid {api.pid}", str(api.address.port), "since")
        self.assertEqual(self.end(server), 0)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root and setpriv")
    def test_read_only_directory(self):
        place = self.folder / "closed"
        place.mkdir(mode=0o555)
        self.folder.chmod(0o755)
        file = self.write("good.yaml", GOOD)
        # Another user, because modes do not stop root.
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        program = self.start.__globals__["PROGRAM"]
        done = subprocess.run(
            [*command, program, "run", str(file), "--home", str(place / "home")],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd="/",
            timeout=60,
        )
        done.err = done.stderr
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertOneMessage(done, "closed/home", "Permission denied", "--home")

    @unittest.skipUnless(os.geteuid() == 0, "needs root for a file system of its own")
    def test_full_disk(self):
        self.home.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(self.home)], check=True
        )
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.home)], check=False)
        filler = self.home / "filler"
        try:
            filler.write_bytes(b"x" * (1 << 20))
        except OSError:
            pass
        process = self.regatta("run", self.write("good.yaml", GOOD), code=74)
        self.assertOneMessage(process, str(self.home), "(?i)no space left|full")

    def test_older_program_on_newer_tables(self):
        self.regatta("run", self.write("good.yaml", GOOD))
        database = sqlite3.connect(self.home / "regatta.db")
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master")]
        versions = next(name for name in tables if "version" in name or "migration" in name)
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({versions})")]
        column = next(name for name in columns if "version" in name)
        database.execute(f"UPDATE {versions} SET {column} = {column} + 1000")
        database.commit()
        database.close()
        process = self.regatta("run", self.folder / "good.yaml", code=78)
        self.assertOneMessage(process, "newer Regatta")

    def test_older_program_on_a_newer_directory(self):
        self.home.mkdir()
        (self.home / "VERSION").write_text("2\n")
        process = self.regatta("serve", "--port", "0", code=78)
        self.assertOneMessage(process, "newer Regatta")

    def test_settings(self):
        config = self.folder / "config/regatta"
        config.mkdir(parents=True)
        (config / "config.yaml").write_text("listen: 127.0.0.1:1\ncpu: 2\n")
        process = self.regatta("config", "show", code=2)
        self.assertOneMessage(process, r'config\.yaml:2: .*"cpu" \(did you mean "cpus"\?\)')
        (config / "config.yaml").write_text("listen: 127.0.0.1:1\n")
        process = self.regatta("config", "show", REGATTA_LOG="debug")
        self.assertRegex(process.out, r"listen +=.*127\.0\.0\.1:1 .*config\.yaml:1")
        self.assertRegex(process.out, r"log_level +=.*debug .*environment REGATTA_LOG")
        self.assertRegex(process.out, r"home +=.*environment REGATTA_HOME")

    def test_doctor_and_completion_answer(self):
        self.assertIn("state directory", self.regatta("doctor").out)
        script = self.folder / "completion.bash"
        script.write_text(self.regatta("completion", "bash").out)
        done = subprocess.run(
            [
                "bash",
                "-c",
                f"source {script}; COMP_WORDS=(regatta ru); COMP_CWORD=1; _regatta; "
                "echo ${COMPREPLY[@]}",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(done.stdout.split(), ["run", "runs"])

    def test_topo_describes_this_machine_and_files(self):
        self.assertIn("NUMA node 0", self.regatta("topo").out)
        topology = json.loads(self.regatta("topo", "-o", "json").out)
        self.assertEqual(topology["version"], 1)
        self.assertEqual(topology["parts"][0]["kind"], "host")
        written = self.write("machine.xml", self.regatta("topo", "-o", "nccl").out)
        self.assertIn("NUMA node 0", self.regatta("topo", written).out)
        self.assertOneMessage(self.regatta("topo", "nowhere.xml", code=66), "nowhere.xml")
        bad = self.write("bad.xml", "<rack/>")
        self.assertOneMessage(self.regatta("topo", bad, code=2), "bad.xml")

    def test_topo_map_places_ranks(self):
        call = ["topo", "map", "--layout", "dp=4,tp=2", "--devices", "2"]
        self.assertIn("8 ranks; cheapest of 2 orders", self.regatta(*call).out)
        mapping = json.loads(self.regatta(*call, "-o", "json").out)
        self.assertEqual(mapping["order"], ["tp", "dp"])
        self.assertEqual({rank["rank"] for rank in mapping["ranks"]}, set(range(8)))
        self.assertOneMessage(self.regatta(*call, "--hosts", "3", code=2), "8 ranks")
        wrong = ["topo", "map", "--layout", "tensr=2", "--devices", "2"]
        self.assertOneMessage(self.regatta(*wrong, code=2), 'did you mean "tensor"?')


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
