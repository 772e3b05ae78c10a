"""Steps in images: the real containerd and runc, an image that this file builds."""

import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import unittest

from harness import Case

IMAGE = "images.example/tiny:1"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files):
    """A layer as a tar file: {path: bytes, or "-> target" for a link, or None for a folder}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if content is None:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            elif isinstance(content, str):
                entry.type = tarfile.SYMTYPE
                entry.linkname = content.removeprefix("-> ")
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def build_image(path, name, layers, env, **settings):
    """An OCI image layout in one file, as `ctr images import` reads it."""
    config = json.dumps(
        {
            "architecture": "arm64" if os.uname().machine == "aarch64" else "amd64",
            "os": "linux",
            "config": {"Env": env, **settings},
            "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in layers]},
        }
    ).encode()
    media = "application/vnd.oci.image"

    def descriptor(kind, blob, **more):
        return {"mediaType": f"{media}.{kind}", "digest": digest(blob), "size": len(blob), **more}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{media}.manifest.v1+json",
            "config": descriptor("config.v1+json", config),
            "layers": [descriptor("layer.v1.tar", each) for each in layers],
        }
    ).encode()
    annotations = {"io.containerd.image.name": name}
    index = {
        "schemaVersion": 2,
        "manifests": [descriptor("manifest.v1+json", manifest, annotations=annotations)],
    }
    with tarfile.open(path, "w") as tar:

        def add(member, content):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

        add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add("index.json", json.dumps(index).encode())
        for blob in (*layers, config, manifest):
            add("blobs/sha256/" + digest(blob).removeprefix("sha256:"), blob)


class Containers(Case):
    def setUp(self):
        super().setUp()
        self.socket = self.folder / "containerd.sock"
        self.daemon = subprocess.Popen(
            ["containerd", "--root", self.folder / "containerd", "--state",
             self.folder / "containerd-state", "--address", self.socket],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.addCleanup(self.end_daemon)
        self.wait_until(self.answers, "containerd answers")
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        tools = ("sh", "echo", "cat", "env", "sleep", "mkdir", "ls", "id", "grep")
        first = layer(
            {**{name: None for name in ("bin", "etc", "tmp", "proc", "sys", "dev")},
             "bin/busybox": busybox, **{f"bin/{name}": "-> busybox" for name in tools},
             "etc/made-by": b"layer one\n"}
        )  # fmt: skip
        second = layer({"etc/made-by": b"layer two\n"})
        self.layers = [first, second]
        build_image(self.folder / "tiny.tar", IMAGE, self.layers, ["PATH=/bin", "FROM=image"])
        self.ctr("images", "import", self.folder / "tiny.tar")
        self.environment["REGATTA_CONTAINERD"] = str(self.socket)

    def add_image(self, name, **settings):
        """Another image of the same layers."""
        build_image(self.folder / "more.tar", name, self.layers, ["PATH=/bin"], **settings)
        self.ctr("images", "import", self.folder / "more.tar")

    def end_daemon(self):
        self.daemon.kill()
        self.daemon.wait()

    def ctr(self, *arguments):
        command = ["ctr", "--address", self.socket, "--namespace", "regatta", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def answers(self):
        probe = ["ctr", "--address", self.socket, "version"]
        return subprocess.run(probe, capture_output=True).returncode == 0

    def held(self):
        """What keeps images' files besides the images: nothing, once the runs are over."""
        lines = self.ctr("snapshots", "list").splitlines()[1:]
        return [line.split()[0] for line in lines if line.startswith("regatta-")]

    def log(self, run, step):
        return self.regatta("runs", "logs", run["id"], step["name"]).out

    def test_a_step_sees_the_image_s_files_and_variables(self):
        file = self.write(
            "image.yaml",
            f"""\
            name: image
            docker_env: {IMAGE}
            entry_points:
              make:
                artifacts: {{output: [file, folder]}}
                command: cat /etc/made-by > {{{{file}}}}; mkdir {{{{folder}}}};
                  echo 1 > {{{{folder}}}}/one; echo from=$FROM home=$HOME rank=$RANK;
                  echo secret=$NOT_FOR_STEPS; ls /usr/bin/python3
              use:
                deps: make
                artifacts: {{input: {{file: "{{{{make.file}}}}", folder: "{{{{make.folder}}}}"}}}}
                command: cat {{{{file}}}} {{{{folder}}}}/one && ! echo no > {{{{file}}}}
            """,
        )
        process = self.regatta("run", file, "--output", "json", code=1, NOT_FOR_STEPS="leaked")
        answer = json.loads(process.out)
        steps = {step["name"]: step for step in answer["steps"]}
        self.assertEqual(steps["make"]["state"], "failed")  # there is no python3 in the image
        text = file.read_text().replace("; ls /usr/bin/python3", "")
        file.write_text(text)
        run, steps = self.run_json(file)
        self.assertEqual(run["state"], "succeeded")
        self.assertIn("from=image home=/root rank=0", self.log(run, steps["make"]))
        self.assertNotIn("leaked", self.log(run, steps["make"]))
        said = self.log(run, steps["use"])
        self.assertIn("layer two\n1\n", said)
        self.assertIn("Read-only file system", said)
        self.wait_until(lambda: self.held() == [], "the image is given back")
        self.assertEqual(list(self.home.glob("runs/*/*/job-*/container/rank-*")), [])

    def test_a_file_system_is_seen_at_its_mount_path(self):
        data = self.folder / "data"
        data.mkdir()
        (data / "labels").write_text("0 1 2\n")
        file = self.write(
            "mounted.yaml",
            f"""\
            name: mounted
            docker_env: {IMAGE}
            fs_options:
              extra_fs: [{{name: data, mount_path: /mnt/data, read_only: true}}]
            entry_points:
              read: {{command: cat /mnt/data/labels && ! echo no > /mnt/data/labels}}
            """,
        )
        self.environment["REGATTA_FILE_SYSTEMS"] = f"data={data}"
        run, steps = self.run_json(file)
        self.assertIn("0 1 2\n", self.log(run, steps["read"]))
        self.assertEqual((data / "labels").read_text(), "0 1 2\n")

    def test_two_ranks_of_a_job_run_in_containers_of_their_own(self):
        file = self.write(
            "ranks.yaml",
            f"""\
            name: ranks
            entry_points:
              train:
                docker_env: {IMAGE}
                command: echo rank $RANK of $WORLD_SIZE; echo $RANK > /etc/mine; sleep 0.5;
                  grep -x $RANK /etc/mine
                distributed_job: {{framework: pytorch, members: [{{role: worker, replicas: 2}}]}}
            """,
        )
        run, _ = self.run_json(file)
        self.assertEqual(run["state"], "succeeded")
        log = self.regatta("runs", "logs", run["id"], "train", "--rank", "1").out
        self.assertEqual(log, "rank 1 of 2\n1\n")

    def test_exit_code_and_missing_command_are_told(self):
        file = self.write(
            "codes.yaml",
            f"""\
            name: codes
            docker_env: {IMAGE}
            failure_options: {{strategy: continue}}
            entry_points:
              seven: {{command: exit 7}}
              missing: {{command: [no-such-program]}}
              signal: {{command: kill -SEGV $$}}
            """,
        )
        run, steps = self.run_json(file, code=1)
        self.assertIn("exit code 7", steps["seven"]["reason"])
        self.assertIn("SIGSEGV", steps["signal"]["reason"])
        self.assertEqual(steps["missing"]["state"], "failed")
        self.assertIn("no-such-program", self.log(run, steps["missing"]))

    def test_an_image_that_is_not_there_is_named(self):
        file = self.write(
            "gone.yaml",
            """\
            name: gone
            entry_points:
              train: {docker_env: "127.0.0.1:9/none/such:1", command: echo hello}
            """,
        )
        _, steps = self.run_json(file, code=1)
        self.assertIn("127.0.0.1:9/none/such:1", steps["train"]["reason"])
        self.assertIn("cannot be fetched", steps["train"]["reason"])

    def test_without_containerd_the_step_says_so(self):
        file = self.write(
            "off.yaml",
            f"""\
            name: off
            entry_points:
              train: {{docker_env: "{IMAGE}", command: echo hello}}
            """,
        )
        self.assertIn(f"at {self.socket}, runc version", self.regatta("doctor", code=None).out)
        self.environment["REGATTA_CONTAINERD"] = str(self.folder / "nobody.sock")
        self.assertIn("nobody.sock", self.regatta("doctor", code=1).out)
        _, steps = self.run_json(file, code=1)
        self.assertIn("nobody.sock", steps["train"]["reason"])

    def sleeper(self):
        return self.write(
            "sleeper.yaml",
            f"""\
            name: sleeper
            docker_env: {IMAGE}
            entry_points:
              wait:
                command: echo begin >> effects; while [ ! -e gate ]; do sleep 0.05; done;
                  echo end >> effects
            """,
        )

    def strays(self):
        """Processes of the job that live; the shell of the step has its command in its line."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if str(self.folder).encode() in (entry / "environ").read_bytes() and (
                    b"effects" in (entry / "cmdline").read_bytes()
                ):
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def cgroups(self):
        """Of replicas: runc names them by job and rank."""
        return {str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob("*-0") if path.is_dir()}

    def check_stopped(self, *how):
        cgroups = self.cgroups()
        process, _ = self.serve()
        run = self.start("run", self.sleeper())
        self.wait_until(lambda: self.effects() == ["begin"], "the step runs")
        self.assertTrue(self.strays())
        self.assertGreater(len(self.cgroups()), len(cgroups))
        self.regatta("runs", "stop", "last", *how)
        run.communicate(timeout=self.patience)
        self.assertEqual(self.strays(), [])
        self.assertEqual(self.effects(), ["begin"])
        self.wait_until(lambda: self.held() == [], "the image is given back")
        self.assertEqual(self.cgroups(), cgroups)
        self.assertEqual(list(self.home.glob("runs/*/*/job-*/container/rank-*")), [])
        self.end(process)

    def test_a_stopped_step_leaves_nothing(self):
        self.check_stopped()

    def test_a_killed_step_leaves_nothing(self):
        self.check_stopped("--force")

    def test_a_killed_owner_takes_the_container_up_again(self):
        file = self.sleeper()
        process = self.start("run", file)
        self.wait_until(lambda: self.effects() == ["begin"], "the step runs")
        before = self.strays()
        self.assertTrue(before)
        process.kill()
        process.communicate()
        # Not even containerd is needed to go on with what runs.
        self.end_daemon()
        again = self.start("run", file, "--output", "json")
        self.wait_until(lambda: (self.home / "endpoint.json").exists(), "it is owned again")
        self.assertEqual(self.strays()[: len(before)], before)
        (self.folder / "gate").touch()
        out, err = again.communicate(timeout=self.patience)
        self.assertEqual(again.returncode, 0, out + err)
        self.assertEqual(self.effects(), ["begin", "end"])

    def training_job(self, container):
        """A PyTorchJob of one container, which runs to its end; its log."""
        job = {
            "apiVersion": "kubeflow.org/v1",
            "kind": "PyTorchJob",
            "metadata": {"name": "entry"},
            "spec": {
                "pytorchReplicaSpecs": {
                    "Master": {
                        "restartPolicy": "Never",
                        "template": {"spec": {"containers": [{"name": "pytorch", **container}]}},
                    }
                }
            },
        }
        file = self.write("job.yaml", json.dumps(job))  # JSON is YAML
        ended = json.loads(self.regatta("submit", file, "--output", "json", code=None).out)
        log = self.regatta("jobs", "logs", "last").out
        return ended, log

    def test_a_training_job_starts_as_kubernetes_starts_its_image(self):
        image = "images.example/entry:1"
        self.add_image(
            image,
            Entrypoint=["/bin/sh", "-c", 'echo "entry $*, in $PWD, rank $RANK"', "sh"],
            Cmd=["of", "the", "image"],
            WorkingDir="/etc",
        )
        for container, says in (
            ({}, "entry of the image, in /etc, rank 0\n"),
            ({"args": ["--size", "$(WORLD_SIZE)"]}, "entry --size 1, in /etc, rank 0\n"),
            ({"command": ["cat", "made-by"]}, "layer two\n"),
            ({"command": ["sh"], "args": ["-c", "echo $PWD"], "workingDir": "/tmp"}, "/tmp\n"),
            ({"command": ["sh", "-c", "echo $PWD"], "workingDir": "/made/here"}, "/made/here\n"),
        ):
            with self.subTest(container=container):
                ended, log = self.training_job({"image": image, **container})
                self.assertEqual((ended["state"], log), ("succeeded", says))
        self.wait_until(lambda: self.held() == [], "the image is given back")

    def test_an_image_without_entry_point_is_no_command(self):
        ended, _ = self.training_job({"image": IMAGE})
        self.assertEqual(ended["state"], "failed")
        self.assertIn(f"no command, and image {IMAGE} has no entry point", ended["message"])
        ended, log = self.training_job({"image": IMAGE, "args": ["echo", "args alone"]})
        self.assertEqual((ended["state"], log), ("succeeded", "args alone\n"))

    def test_a_launcher_finds_its_host_file_in_its_image(self):
        container = {"image": IMAGE, "command": ["sh", "-c"]}
        container["args"] = ["cat /etc/mpi/hostfile $HYDRA_HOST_FILE; /etc/mpi/discover_hosts.sh"]
        job = {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "metadata": {"name": "hosts"},
            "spec": {
                "slotsPerWorker": 2,
                "mpiReplicaSpecs": {
                    "Launcher": {"template": {"spec": {"containers": [container]}}},
                    "Worker": {"replicas": 2, "template": {"spec": {"containers": [container]}}},
                },
            },
        }
        self.regatta("submit", self.write("mpi.yaml", json.dumps(job)))
        log = self.regatta("jobs", "logs", "last").out
        self.assertEqual(log, "localhost slots=4\nlocalhost:4\nlocalhost:4\n")

    def test_the_cache_knows_the_image(self):
        file = self.write(
            "cached.yaml",
            f"""\
            name: cached
            cache: {{enable: true}}
            docker_env: {IMAGE}
            entry_points:
              make: {{command: echo hello >> effects}}
            """,
        )
        self.run_json(file)
        _, steps = self.run_json(file)
        self.assertTrue(steps["make"]["cached"])
        self.ctr("images", "tag", IMAGE, "images.example/other:1")
        file.write_text(file.read_text().replace(IMAGE, "images.example/other:1"))
        _, steps = self.run_json(file)
        self.assertFalse(steps["make"]["cached"])
        self.assertIn("image", steps["make"]["reason"])


if __name__ == "__main__":
    for program in ("containerd", "ctr", "runc"):
        if shutil.which(program) is None:
            raise SystemExit(
                f"{program} is missing; `tools/setup.sh --lane containers` installs it"
            )
    unittest.main()
