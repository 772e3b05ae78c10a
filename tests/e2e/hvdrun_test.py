"""`regatta hvdrun`: ranks on this machine and on hosts that are network namespaces."""

import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness

HOSTS_MISSING = (
    "network namespaces need root and ip(8)"
    if os.geteuid() != 0 or shutil.which("ip") is None
    else None
)
TORCH_MISSING = subprocess.run(
    ["/usr/bin/python3", "-c", "import torch"], capture_output=True, check=False
).returncode


def environment(**more):
    base = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECCL_", "HOROVOD_", "MASTER_", "RANK", "WORLD_", "LOCAL_"))
    }
    return base | more


def command(*arguments):
    return [harness.PROGRAM, "hvdrun", *arguments]


def hvdrun(*arguments, cwd=None, **more):
    return subprocess.run(
        command(*arguments),
        env=environment(**more),
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=harness.PATIENCE,
        check=False,
    )


def wait_for(condition, what):
    end = time.monotonic() + harness.PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def alive(pid):
    with contextlib.suppress(OSError):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0] != "Z"
    return False


def numbers_in(folder, count):
    """Pids that ranks have written to files of that folder."""
    files = sorted(folder.glob("pid.*"))
    texts = [one.read_text() for one in files]
    return [int(text) for text in texts] if len(texts) == count and all(texts) else None


# Notes its own pid and that of a process which leaves the session, and then waits.
SETTLE = (
    "setsid sh -c 'echo $$ > far.$RANK && mv far.$RANK pid.far.$RANK; exec sleep 1000' &\n"
    "echo $$ > new.$RANK && mv new.$RANK pid.near.$RANK\n"
)


# Rank 1 dies in the third step; rank 0 goes on alone.
ELASTIC = """
import os
import horovod.torch as hvd, torch

@hvd.elastic.run
def train(state):
    while state.step < 6:
        hvd.allreduce(torch.ones(2))
        state.step += 1
        state.commit()
        if state.step == 3 and hvd.rank() == 1:
            os._exit(9)
    print("done", "alone" if hvd.size() == 1 else "together", os.environ["HOROVOD_CYCLE_TIME"])

hvd.init()
train(hvd.elastic.TorchState(step=0))
"""


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def script(self, name, text):
        path = self.folder / name
        path.write_text("#!/bin/sh\n" + textwrap.dedent(text))
        path.chmod(0o755)
        return str(path)

    def gone(self, pids):
        wait_for(lambda: not any(alive(pid) for pid in pids), f"the end of {pids}")


class Here(Folder):
    def test_ranks_get_their_numbers_their_output_a_prefix_and_files(self):
        done = hvdrun(
            *("-np", "3", "-H", "localhost:2,127.0.0.2:2", "-x", "COLOUR=red", "-x", "HOME"),
            *("--fusion-threshold-mb", "1.5", "--cycle-time-ms=2.5", "--autotune"),
            *("--output-filename", str(self.folder / "logs"), "sh", "-c"),
            "echo $HOROVOD_RANK $WORLD_SIZE $LOCAL_RANK $HOROVOD_CROSS_RANK $HOROVOD_CROSS_SIZE"
            " $COLOUR $HOROVOD_FUSION_THRESHOLD $HOROVOD_CYCLE_TIME $HOROVOD_AUTOTUNE"
            " $ECCL_MASTER_ADDR $LOCAL_WORLD_SIZE $MASTER_ADDR $1;"
            " [ $MASTER_PORT != $ECCL_MASTER_PORT ] || exit 5; printf oops >&2",
            *("sh", "-np"),
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        tail = "red 1572864 2.5 1 127.0.0.1"
        self.assertEqual(
            sorted(done.stdout.splitlines()),
            [
                f"[0]<stdout>:0 3 0 0 2 {tail} 2 127.0.0.1 -np",
                f"[1]<stdout>:1 3 1 0 2 {tail} 2 127.0.0.1 -np",
                f"[2]<stdout>:2 3 0 1 2 {tail} 1 127.0.0.1 -np",
            ],
        )
        self.assertIn("[1]<stderr>:oops\n", done.stderr)
        self.assertEqual(
            (self.folder / "logs/rank.2/stdout").read_text(),
            f"2 3 0 1 2 {tail} 1 127.0.0.1 -np\n",
        )
        self.assertEqual((self.folder / "logs/rank.2/stderr").read_text(), "oops")

    def test_the_first_failure_names_the_rank_and_ends_the_others(self):
        for end, code, text in (
            ("exit 7", 7, "rank 1 on localhost ended with code 7; the others are stopped"),
            ("kill -9 $$", 137, "rank 1 on localhost was killed by signal 9 (Killed)"),
        ):
            with self.subTest(end):
                for old in self.folder.glob("pid.*"):
                    old.unlink()
                script = self.script(
                    "rank",
                    SETTLE
                    + f"""
                    if [ $RANK = 1 ]; then
                        while [ $(ls pid.far.* pid.near.* | wc -l) != 6 ]; do sleep 0.02; done
                        echo the disk is full >&2
                        {end}
                    fi
                    sleep 1000
                    """,
                )
                done = hvdrun("-np", "3", script, cwd=self.folder)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(text, done.stderr)
                self.assertIn("  | the disk is full", done.stderr)
                self.gone(numbers_in(self.folder, 6))

    def test_the_others_may_say_themselves_who_is_gone(self):
        script = (
            "if [ $RANK = 1 ]; then echo $$ > new && mv new pid; exit 3; fi\n"
            "trap 'echo asked; exit' TERM\n"
            "until [ -e pid ]; do sleep 0.02; done\n"
            "while kill -0 $(cat pid) 2> /dev/null; do sleep 0.02; done\n"
            "echo rank 1 is gone"
        )
        done = hvdrun("-np", "2", "sh", "-c", script, cwd=self.folder)
        self.assertEqual(done.stdout, "[0]<stdout>:rank 1 is gone\n", done.stderr)
        self.assertEqual(done.returncode, 3)

    def test_a_rank_that_will_not_stop_is_killed(self):
        script = self.script(
            "rank",
            """
            [ $RANK = 1 ] && { while [ ! -e ready ]; do sleep 0.02; done; exit 3; }
            trap '' TERM
            echo $$ > pid.0
            touch ready
            while :; do sleep 0.1; done
            """,
        )
        done = hvdrun("-np", "2", "--grace-period", "0.3", script, cwd=self.folder)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.gone(numbers_in(self.folder, 1))

    def start(self, *arguments, **more):
        process = subprocess.Popen(
            command(*arguments),
            cwd=self.folder,
            env=environment(**more),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_signals_reach_the_ranks(self):
        script = self.script(
            "rank",
            """
            trap 'echo usr1' USR1
            trap 'echo int; exit 9' INT
            echo $$ > new.$RANK && mv new.$RANK pid.$RANK
            while :; do sleep 0.05; done
            """,
        )
        process = self.start("-np", "2", script)
        pids = wait_for(lambda: numbers_in(self.folder, 2), "two ranks")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(
            sorted([process.stdout.readline(), process.stdout.readline()]),
            ["[0]<stdout>:usr1\n", "[1]<stdout>:usr1\n"],
        )
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("Interrupt", err)
        self.gone(pids)

    def test_a_killed_launcher_leaves_nothing_behind(self):
        process = self.start("-np", "2", self.script("rank", SETTLE + "sleep 1000"))
        pids = wait_for(lambda: numbers_in(self.folder, 4), "four processes")
        process.kill()
        self.gone(pids)

    def test_a_killed_agent_takes_its_ranks_along(self):
        process = self.start(
            "-np", "2", self.script("rank", "echo $$ > pid.$RANK; exec sleep 1000")
        )
        pids = wait_for(lambda: numbers_in(self.folder, 2), "two ranks")
        agent = int(pathlib.Path(f"/proc/{pids[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(agent, signal.SIGKILL)
        _, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 1, err)
        self.assertRegex(err, r"rank [01] on localhost is lost: its agent was killed: Killed")
        self.gone(pids)

    def test_a_reader_that_sleeps_stops_nobody_but_the_ranks(self):
        process = self.start("-np", "1", "sh", "-c", "yes 0123456789abcdef | head -n 2000000")
        lines = 0
        while line := process.stdout.readline():
            if lines == 0:
                time.sleep(1)  # long enough to fill every buffer on the way
            lines += line == "[0]<stdout>:0123456789abcdef\n"
        self.assertEqual((process.wait(), lines), (0, 2_000_000))

    @unittest.skipIf(TORCH_MISSING, "the system's Python has no torch")
    def test_an_elastic_job_goes_on_with_the_ranks_that_live(self):
        done = hvdrun(
            *("-np", "2", "--min-np", "1", "--cycle-time-ms", "3"),
            *("/usr/bin/python3", "-c", ELASTIC),
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("ended with code 9", done.stderr)
        self.assertIn("done alone 3", done.stdout)

    def test_every_flag_of_horovodrun_is_taken_or_refused_with_a_reason(self):
        for flags, variable in (
            ("--disable-cache", "HOROVOD_CACHE_CAPACITY=0"),
            ("--no-autotune", "HOROVOD_AUTOTUNE=0"),
            ("--no-hierarchical-allreduce", "HOROVOD_HIERARCHICAL_ALLREDUCE=0"),
            ("--no-hierarchical-allgather", "HOROVOD_HIERARCHICAL_ALLGATHER=0"),
            ("--no-torus-allreduce", "HOROVOD_TORUS_ALLREDUCE=0"),
            ("--no-timeline-mark-cycles", "HOROVOD_TIMELINE_MARK_CYCLES=0"),
            ("--stall-check", "HOROVOD_STALL_CHECK_DISABLE=0"),
            ("--fusion-threshold-mb 2", "HOROVOD_FUSION_THRESHOLD=2097152"),
            ("--autotune --autotune-log-file log", "HOROVOD_AUTOTUNE_LOG=log"),
            ("-prefix-timestamp --gloo --thread-affinity 0", "HOROVOD_THREAD_AFFINITY=0"),
        ):
            asked_for = {"HOROVOD_AUTOTUNE": "1", "HOROVOD_TORUS_ALLREDUCE": "1"}
            done = hvdrun("-np", "1", *flags.split(), "env", **asked_for)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(variable, done.stdout, flags)
        hosts = self.folder / "hosts"
        hosts.write_text("localhost slots=1\n")
        self.assertEqual(hvdrun("-np", "1", "-hostfile", str(hosts), "true").returncode, 0)
        self.assertIn("frameworks", hvdrun("-cb").stdout.lower())
        for flags, reason in (
            ("--mpi", "without MPI"),
            ("--jsrun", "-H or --hostfile"),
            ("--mpi-args x", "no MPI"),
            ("--mpi-threads-disable", "no MPI"),
            ("--no-mpi-threads-disable", "no MPI"),
            ("--tcp", "ECCL_TRANSPORT=tcp"),
            ("--binding-args x", "--thread-affinity"),
            ("--num-nccl-streams 2", "host memory"),
            ("--config-file x", "as options"),
            ("--hierarchical-allgather", "libeccl chooses"),
            ("--torus-allreduce", "no torus"),
            ("--gloo-timeout-seconds 3", "ECCL_TIMEOUT_MS"),
            ("--log-level INFO", "--verbose"),
            ("--log-with-timestamp", "--prefix-timestamp"),
            ("--log-without-timestamp", "--prefix-timestamp"),
            ("--log-hide-timestamp", "--prefix-timestamp"),
            ("--no-log-hide-timestamp", "--prefix-timestamp"),
        ):
            done = hvdrun("-np", "1", *flags.split(), "true")
            self.assertNotEqual(done.returncode, 0, flags)
            self.assertIn(reason, done.stderr, flags)
            self.assertNotIn("unknown option", done.stderr)

    def test_what_is_wrong_is_said_before_anything_starts(self):
        (self.folder / "hosts").write_text("localhost\nlocalhost\n")
        for arguments, text in (
            (["true"], "-np is missing"),
            (["-np", "2"], "a command is missing"),
            (["-np", "4", "-H", "localhost:2", "true"], "have 2 slots for 4 ranks"),
            (["-np", "1", "-H", "localhost:0", "true"], "is not a host"),
            (["-np", "1", "-H=-oProxyCommand=evil", "true"], "is not a host"),
            (
                ["-np", "2", "--hostfile", "hosts", "true"],
                'hosts:2: host "localhost" is named twice',
            ),
            (["-np", "2", "--hostfile", "none", "true"], "none"),
            (["-np", "2", "-H", "a", "--hostfile", "b", "true"], "give one of"),
            (
                ["-np", "2", "--min-np", "1", "-H", "far:2", "true"],
                'host "far" is not this machine',
            ),
            (["-np", "2", "--max-np", "3"], "a command is missing"),
            (["-np", "2", "--min-np", "1", "--reset-limit", "3", "true"], "--reset-limit"),
            (["-np", "two", "true"], "--num-proc"),
            (["-np", "2", "--cycle-time-ms", "fast", "true"], "--cycle-time-ms"),
            (["--fusion-treshold-mb", "2", "true"], 'did you mean "--fusion-threshold-mb"'),
            (["-np", "1", "-x", "NOT_SET_ANYWHERE", "true"], "NOT_SET_ANYWHERE"),
        ):
            with self.subTest(arguments):
                done = hvdrun(*arguments, cwd=self.folder)
                self.assertIn(text, done.stderr)
                self.assertIn(done.returncode, (2, 64, 65, 66), done.stderr)
        done = hvdrun("-np", "2", "no-such-program")
        self.assertEqual(done.returncode, 127)
        self.assertIn("could not be started: cannot run no-such-program: No such file", done.stderr)


@unittest.skipIf(HOSTS_MISSING, HOSTS_MISSING)
class OtherHosts(Folder):
    """Two namespaces that only see each other; the launcher sees neither."""

    def setUp(self):
        super().setUp()
        tag = secrets.token_hex(3)
        self.spaces = [f"hvdrun-{tag}-{side}" for side in "ab"]
        links = [f"hr{tag}{side}" for side in "ab"]
        self.names = ["10.213.91.1", "10.213.91.2"]
        for space in self.spaces:
            self.run_ip("netns", "add", space)
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", space], check=False)
        self.run_ip("link", "add", links[0], "type", "veth", "peer", "name", links[1])
        for space, link, name in zip(self.spaces, links, self.names, strict=True):
            self.run_ip("link", "set", link, "netns", space)
            self.run_ip("-n", space, "address", "add", f"{name}/24", "dev", link)
            self.run_ip("-n", space, "link", "set", "lo", "up")
            self.run_ip("-n", space, "link", "set", link, "up")
        self.links = links
        # ssh in a few lines: a login shell that is talkative, in the namespace of that name.
        self.ssh = self.script(
            "ssh",
            f"""
            case $1 in
            {self.names[0]}) space={self.spaces[0]} ;;
            {self.names[1]}) space={self.spaces[1]} ;;
            *) echo "ssh: Could not resolve hostname $1: Name or service not known" >&2; exit 255 ;;
            esac
            shift
            echo "Welcome to $space. You have mail."
            exec env -i HOME="$HOME" PATH="$PATH" nsenter --net=/run/netns/$space sh -c "$*"
            """,
        )

    def run_ip(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def far(self, *arguments, **more):
        return hvdrun(
            *("--ssh-command", self.ssh, "-H", f"{self.names[0]}:2,{self.names[1]}:2"),
            *arguments,
            cwd=self.folder,
            **more,
        )

    def test_ranks_start_there_with_the_job_s_environment(self):
        done = self.far(
            *("-np", "4", "-x", "COLOUR=light blue", "sh", "-c"),
            "echo $RANK $LOCAL_RANK $HOROVOD_CROSS_RANK $ECCL_MASTER_ADDR $ECCL_HOST $COLOUR"
            " $QUOTED $PWD ${SSH_CLIENT-none}",
            QUOTED='it\'s "so"',
            SSH_CLIENT="1.2.3.4",
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        here = f'light blue it\'s "so" {self.folder} none'
        self.assertEqual(
            sorted(done.stdout.splitlines()),
            [
                f"[{rank}]<stdout>:{rank} {rank % 2} {rank // 2} {self.names[0]}"
                f" {self.names[rank // 2]} {here}"
                for rank in range(4)
            ],
        )

    def test_ranks_of_two_hosts_meet_and_add(self):
        package = pathlib.Path(__file__).resolve().parents[2] / "python"
        script = self.folder / "add.py"
        script.write_text(
            "import numpy as np, os\n"
            "from regatta import eccl\n"
            "rank, size = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])\n"
            "values = np.full(1000, rank + 1.0)\n"
            "with eccl.Communicator(rank, size) as communicator:\n"
            "    communicator.all_reduce(values, values)\n"
            "print(values[0], values[-1])\n"
        )
        done = self.far("-np", "4", "/usr/bin/python3", str(script), PYTHONPATH=str(package))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(
            sorted(done.stdout.splitlines()), [f"[{rank}]<stdout>:10.0 10.0" for rank in range(4)]
        )

    def test_a_failure_there_names_the_host_and_ends_both(self):
        script = self.script(
            "rank",
            SETTLE
            + """
            if [ $RANK = 3 ]; then
                while [ $(ls pid.far.* pid.near.* | wc -l) != 8 ]; do sleep 0.02; done
                kill -SEGV $$
            fi
            sleep 1000
            """,
        )
        done = self.far("-np", "4", script)
        self.assertEqual(done.returncode, 139, done.stderr)
        self.assertIn(f"rank 3 on {self.names[1]} was killed by signal 11", done.stderr)
        self.gone(numbers_in(self.folder, 8))

    def test_a_killed_launcher_or_shell_leaves_nothing_there(self):
        for victim in ("launcher", "ssh"):
            with self.subTest(victim):
                for old in self.folder.glob("pid.*"):
                    old.unlink()
                process = subprocess.Popen(
                    command(
                        *("--ssh-command", self.ssh, "-H", f"{self.names[0]}:1,{self.names[1]}:1"),
                        *("-np", "2", self.script("rank", SETTLE + "sleep 1000")),
                    ),
                    cwd=self.folder,
                    env=environment(),
                    text=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
                self.addCleanup(process.communicate)
                self.addCleanup(process.kill)
                pids = wait_for(lambda: numbers_in(self.folder, 4), "four processes")
                if victim == "launcher":
                    process.kill()
                else:
                    rank = int((self.folder / "pid.near.1").read_text())
                    stat = pathlib.Path(f"/proc/{rank}/stat").read_text()
                    os.kill(int(stat.rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
                    _, err = process.communicate(timeout=harness.PATIENCE)
                    self.assertEqual(process.returncode, 1)
                    self.assertRegex(err, rf"rank 1 on {self.names[1]} is lost: the connection")
                    # A killed agent cannot end what its ranks had started.
                    for group in (rank, int((self.folder / "pid.far.1").read_text())):
                        with contextlib.suppress(ProcessLookupError):
                            os.killpg(group, signal.SIGKILL)
                self.gone(pids)

    def test_a_host_that_cannot_be_reached_is_named_with_the_reason(self):
        done = hvdrun("--ssh-command", self.ssh, "-np", "2", "-H", "localhost,nowhere", "true")
        self.assertEqual(done.returncode, 1)
        self.assertIn(
            "host nowhere: the connection to its agent ended with code 255 (ssh: Could not resolve",
            done.stderr,
        )
        silent = self.script("silent", "exec sleep 1000")
        done = hvdrun(
            *("--ssh-command", silent, "--start-timeout", "0.5", "-np", "1", "-H", "far", "true")
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("host far: no agent answered within 500 ms (--start-timeout)", done.stderr)
        wrong = self.script("wrong", "yes")
        done = hvdrun("--ssh-command", wrong, "-np", "1", "-H", "far", "true")
        self.assertIn("host far: no rank agent answers", done.stderr)

    def test_the_same_through_a_real_sshd(self):
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
        if sshd is None or shutil.which("ssh") is None:
            self.skipTest("openssh-server is not here")
        key = self.folder / "key"
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(key)], check=True)
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        settings = self.folder / "sshd_config"
        settings.write_text(
            f"ListenAddress {self.names[1]}\nPort 2222\nHostKey {key}\nPidFile none\n"
            f"AuthorizedKeysFile {key}.pub\nStrictModes no\nPermitRootLogin yes\nUsePAM no\n"
        )
        server = subprocess.Popen(
            ["ip", "netns", "exec", self.spaces[1], sshd, "-D", "-e", "-f", str(settings)],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(server.communicate)
        self.addCleanup(server.terminate)
        self.assertIn("listening", server.stderr.readline())
        known = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        process = subprocess.Popen(
            [
                *("ip", "netns", "exec", self.spaces[0]),
                *command("-np", "2", "-H", f"localhost:1,{self.names[1]}:1", "-p", "2222"),
                *("-i", str(key), "--ssh-command", known),
                self.script(
                    "rank", 'echo "$RANK $ECCL_MASTER_ADDR $ECCL_HOST"\n' + SETTLE + "sleep 1000"
                ),
            ],
            cwd=self.folder,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        lines = sorted([process.stdout.readline(), process.stdout.readline()])
        self.assertEqual(
            lines,
            [f"[{rank}]<stdout>:{rank} {self.names[0]} {self.names[rank]}\n" for rank in range(2)],
        )
        pids = wait_for(lambda: numbers_in(self.folder, 4), "four processes")
        process.kill()
        self.gone(pids)


if __name__ == "__main__":
    unittest.main()
