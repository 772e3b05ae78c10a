"""Every block of docs/guide/distributed-training.md, in order, as a reader would try them."""

import os
import re
import secrets
import shutil
import subprocess
import unittest

from harness import PROGRAM, ROOT, Case

GUIDE = ROOT / "docs/guide/distributed-training.md"
MACHINE = ROOT / "src/topology/testdata/hgx-h100.hwloc.xml"
NODES = ["node1", "node2"]

# ssh as `regatta hvdrun` calls it, for hosts that are network namespaces with names of their own.
SSH = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do
  case $1 in -o) shift ;; esac
  shift
done
space=$(cat SPACES/"$1") || exit 255
shift
exec nsenter --net="/run/netns/$space" unshare --mount sh -c \\
  'mount --bind SPACES/hosts /etc/hosts && exec sh -c "$0"' "$*"
"""


def blocks():
    return re.findall(r"^```(\w+) (\S+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)


def pattern(line):
    """What a line of the guide stands for: "…" is anything, blanks are as many as there are."""
    words = [re.escape(word).replace("…", ".*") for word in line.split()]
    return re.compile(r"\s*".join(words))


class TrainingGuideTest(Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0 or shutil.which("ip") is None:
            self.skipTest("network namespaces need root and ip(8)")
        torch = subprocess.run(["/usr/bin/python3", "-c", "import torch"], check=False)
        if torch.returncode != 0:
            self.skipTest("/usr/bin/python3 has no torch")
        self.make_hosts()
        tools = self.folder / "bin"
        tools.mkdir()
        (tools / "regatta").symlink_to(PROGRAM)
        (tools / "ssh").write_text(SSH.replace("SPACES", str(self.folder / "spaces")))
        (tools / "ssh").chmod(0o755)
        self.environment["PATH"] = f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"
        shutil.copy(MACHINE, self.folder / "machine.xml")

    def make_hosts(self):
        tag = secrets.token_hex(3)
        known = self.folder / "spaces"
        known.mkdir()
        links = [f"tg{tag}{side}" for side in "ab"]
        for node in NODES:
            space = f"guide-{tag}-{node}"
            (known / node).write_text(space)
            self.ip("netns", "add", space)
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", space], check=False)
        self.ip("link", "add", links[0], "type", "veth", "peer", "name", links[1])
        hosts = "127.0.0.1 localhost\n"
        for number, (node, link) in enumerate(zip(NODES, links, strict=True), 1):
            space = (known / node).read_text()
            self.ip("link", "set", link, "netns", space)
            self.ip("-n", space, "address", "add", f"10.213.93.{number}/24", "dev", link)
            self.ip("-n", space, "link", "set", "lo", "up")
            self.ip("-n", space, "link", "set", link, "up")
            hosts += f"10.213.93.{number} {node}\n"
        (known / "hosts").write_text(hosts)

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def try_commands(self, text):
        """Runs what follows "$" and looks for the lines below it in what is printed."""
        commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        done = subprocess.run(
            ["bash", "-c", "\n".join(commands)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.patience * 3,
            check=False,
        )
        for line in text.splitlines():
            if not line.startswith("$ "):
                self.assertRegex(done.stdout, pattern(line), f"of {commands}")

    def test_each_block_does_what_the_guide_says(self):
        tried = []
        for kind, name, text in blocks():
            if kind != "console":
                self.write(name, text)
                continue
            with self.subTest(name):
                self.try_commands(text)
            tried.append(name)
        self.assertEqual(len(tried), GUIDE.read_text().count("\n```console"), tried)
        self.assertGreater(len(tried), 5)


if __name__ == "__main__":
    unittest.main()
