"""Two hosts on one machine: network namespaces, joined by a link of a chosen rate."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from bench.harness.case import Missing
from bench.harness.peers import last_line


@dataclass(frozen=True)
class Host:
    """`enter` comes before a command that is to run there."""

    name: str
    address: str
    enter: tuple[str, ...]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)}: {last_line(done.stderr)}")


def available() -> None:
    """Raises Missing, with the reason, where such hosts cannot be made."""
    for program in ("ip", "tc", "nsenter"):
        if shutil.which(program) is None:
            raise Missing(f"{program} is not here")
    if os.geteuid() != 0:
        raise Missing("network namespaces need root")
    with pair("1gbit"):
        pass


@contextlib.contextmanager
def pair(rate: str) -> Iterator[tuple[Host, Host]]:
    """Two hosts whose link carries `rate` each way, as tc writes it; gone afterwards.

    Names carry this process's number, so that benchmarks beside each other do not meet.
    """
    names = [f"eccl-{os.getpid()}-{side}" for side in "ab"]
    links = [f"ec{os.getpid()}{side}" for side in "ab"]
    hosts = [
        Host(name, f"10.213.77.{number}", ("nsenter", f"--net=/run/netns/{name}"))
        for number, name in enumerate(names, 1)
    ]
    try:
        for name in names:
            _run("ip", "netns", "add", name)
        _run("ip", "link", "add", links[0], "type", "veth", "peer", "name", links[1])
        for host, link in zip(hosts, links, strict=True):
            _run("ip", "link", "set", link, "netns", host.name)
            _run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", link)
            _run("ip", "-n", host.name, "link", "set", "lo", "up")
            _run("ip", "-n", host.name, "link", "set", link, "up")
            shape = f"root tbf rate {rate} burst 256k latency 20ms".split()
            _run("tc", "-n", host.name, "qdisc", "add", "dev", link, *shape)
        yield hosts[0], hosts[1]
    finally:
        # The links go with their namespaces, unless they never came to one.
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", links[0]], capture_output=True, check=False)
