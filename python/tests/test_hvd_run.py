"""regatta.hvd.run, elastic jobs, and the shim: real processes, started by the launcher."""

import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys

import pytest
from regatta.hvd.elastic.discovery import Blacklist
from regatta.hvd.elastic.membership import Membership, Place
from regatta.hvd.elastic.store import Store
from regatta.hvd.elastic.wire import Peer
from regatta.hvd.run.hosts import Host, parse_hosts
from regatta.hvd.run.options import parse

_HERE = pathlib.Path(__file__).parent
_WORKER = str(_HERE / "elastic_worker.py")


def launch(*arguments: str, module: str = "regatta.hvd.run") -> subprocess.CompletedProcess[str]:
    base = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ECCL_", "HOROVOD_", "MASTER_", "RANK", "WORLD_"))
    }
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=base | {"PYTHONPATH": str(_HERE.parent), "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        timeout=200,
        check=False,
    )


def test_ranks_get_their_numbers_and_their_output_is_kept(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, horovod.torch as hvd\n"
        "hvd.init()\n"
        "print(hvd.rank(), hvd.size(), hvd.local_rank(), hvd.cross_rank(), hvd.cross_size(),\n"
        "      os.environ['HOROVOD_FUSION_THRESHOLD'], os.environ['COLOUR'])\n"
        "hvd.shutdown()\n"
    )
    folder = tmp_path / "logs"
    done = launch(
        *("-np", "3", "-H", "localhost:2,127.0.0.2:2", "-x", "COLOUR=red"),
        *("--fusion-threshold-mb", "2", "--output-filename", str(folder)),
        *(sys.executable, str(script)),
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "[0]<stdout>:0 3 0 0 2 2097152 red",
        "[1]<stdout>:1 3 1 0 2 2097152 red",
        "[2]<stdout>:2 3 0 1 2 2097152 red",
    ]
    assert (folder / "rank.2" / "stdout").read_text() == "2 3 0 1 2 2097152 red\n"


def test_the_first_failure_ends_the_job(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, threading\n"
        "sys.exit(7) if os.environ['HOROVOD_RANK'] == '1' else threading.Event().wait()\n"
    )
    done = launch("-np", "2", sys.executable, str(script))
    assert done.returncode == 7
    assert "rank 1 ended with code 7" in done.stdout


def test_a_dead_rank_is_replaced_and_nothing_committed_is_lost(tmp_path: pathlib.Path) -> None:
    done = launch(
        *("-np", "3", "--min-np", "2", "--blacklist-cooldown-range", "0.2", "0.4"),
        *(sys.executable, _WORKER, "die", str(tmp_path / "flag")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ended with code -9" in done.stderr and "going back to the last commit" in done.stderr
    lines = re.findall(r"done rank=(\d) size=3 .*step=(\d+)", done.stdout)
    assert sorted(rank for rank, _ in lines) == ["0", "1", "2"], done.stdout
    assert len({step for _, step in lines}) == 1
    # Steps 11 and 12 were not committed.
    assert re.search(r"reset size=\d step=10$", done.stdout, re.MULTILINE), done.stdout


def test_hosts_come_and_go_without_a_loss(tmp_path: pathlib.Path) -> None:
    hosts, script = tmp_path / "hosts", tmp_path / "discover"
    hosts.write_text("localhost:2\n")
    script.write_text(f"#!/bin/sh\ncat {hosts}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    done = launch(
        *("-np", "2", "--max-np", "3", "--host-discovery-script", str(script)),
        *(sys.executable, _WORKER, "hosts", str(hosts)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ends = re.findall(r"done rank=(\d) size=2 sizes=\[2, 3, 2\]", done.stdout)
    assert sorted(ends) == ["0", "1"], done.stdout + done.stderr
    assert "going back" not in done.stderr, "nobody lost work"
    assert "this rank's place was taken away" in done.stderr


def test_a_job_whose_ranks_all_fail_ends(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nsys.exit(3)\n")
    done = launch("-np", "2", "--min-np", "1", sys.executable, str(script))
    assert done.returncode == 3


def test_check_build_and_wrong_command_lines() -> None:
    done = launch("--check-build")
    assert done.returncode == 0 and "[X] torch" in done.stdout and "[ ] MPI" in done.stdout
    for arguments, text in (
        (["true"], "-np is missing"),
        (["-np", "2"], "a command is missing"),
        (["-np", "4", "-H", "localhost:2", "true"], "-H has 2 slots for 4 ranks"),
        (["-np", "1", "-H", "elsewhere.example:2", "true"], "is not this machine"),
    ):
        done = launch(*arguments)
        assert done.returncode == 2 and text in done.stderr, done.stderr


def test_settings_reach_the_ranks_as_variables() -> None:
    options = parse(
        [
            *("-np", "2", "--cycle-time-ms", "3.5", "--cache-capacity", "0", "--autotune"),
            *("--timeline-filename", "t.json", "python", "train.py", "--cycle-time-ms", "9"),
        ]
    )
    assert options.command == ["python", "train.py", "--cycle-time-ms", "9"]
    assert options.environment["HOROVOD_CYCLE_TIME"] == "3.5"
    assert options.environment["HOROVOD_CACHE_CAPACITY"] == "0"
    assert options.environment["HOROVOD_AUTOTUNE"] == "1"
    assert options.environment["HOROVOD_TIMELINE"] == "t.json"
    assert not options.elastic
    assert parse_hosts("localhost:2,127.0.0.1") == [Host("localhost", 2), Host("127.0.0.1", 1)]


def test_horovod_is_served_when_asked_for(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, json, horovod.torch as hvd, horovod.torch.mpi_ops as ops\n"
        "from horovod.common.exceptions import HorovodInternalError\n"
        "hvd.init()\n"
        "print(json.dumps([sys.argv[1:], hvd.size(), ops.rank(), __name__,\n"
        "                  HorovodInternalError is hvd.HorovodInternalError]))\n"
    )
    done = launch(str(script), "--lr", "1", module="regatta.hvd.shim")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["--lr", "1"], 1, 0, "__main__", True]
    folder = launch("--path", module="regatta.hvd.shim").stdout.strip()
    assert (pathlib.Path(folder) / "horovod" / "torch").is_dir()


def test_ranks_stay_together_and_old_ones_come_first() -> None:
    membership = Membership(2, 4)
    places = [Place("a", 0), Place("b", 0), Place("a", 1)]
    first = membership.start(places)
    assert membership.plan() is None
    for member in first.values():
        member.waiting = True
    parts = membership.plan()
    assert [parts[name]["rank"] for name in first] == [0, 2, 1], "hosts are kept together"
    assert parts["worker-2"]["cross_rank"] == 1 and parts["worker-3"]["local_rank"] == 1
    # Rank 0 dies; another host comes. The new worker is no rank 0: it has no state.
    del membership.members["worker-1"]
    membership.start([Place("a", 5), *places[1:]])
    for member in membership.members.values():
        member.waiting, member.needs_sync = True, False
    parts = membership.plan()
    assert parts["worker-3"]["rank"] == 0 and parts["worker-4"]["rank"] == 1
    assert all(part["sync"] and part["generation"] == 2 for part in parts.values())
    # A host goes: who stays need not synchronize.
    assert membership.withdraw(places[1:]) == ["worker-4"]
    for member in membership.members.values():
        member.waiting, member.needs_sync = True, False
    parts = membership.plan()
    assert sorted(parts) == ["worker-2", "worker-3"] and not parts["worker-2"]["sync"]


def test_places_come_back_after_a_time_that_doubles() -> None:
    now = [0.0]
    place, other = Place("a", 0), Place("a", 1)
    blacklist = Blacklist((10.0, 30.0), lambda: now[0])
    for at, end in ((0.0, 11.0), (100.0, 122.0), (200.0, 230.0)):
        now[0] = at
        blacklist.add(place)
        assert blacklist.allowed([place, other]) == [other]
        assert not blacklist.hopeless([place], 1)
        now[0] = end
        assert blacklist.allowed([place, other]) == [place, other]
    forever = Blacklist(None, lambda: now[0])
    forever.add(place)
    now[0] = 1e12
    assert forever.allowed([place]) == [] and forever.hopeless([place, other], 2)


def test_the_store_talks_to_its_own_job_only() -> None:
    joined: list[str] = []
    store = Store("secret", lambda name, _: joined.append(name))

    def connect(token: str, name: str) -> Peer:
        host, port = store.address.split(":")
        peer = Peer(socket.create_connection((host, int(port)), 10))
        peer.send(type="hello", token=token, worker=name)
        return peer

    try:
        assert connect("guess", "w").receive() is None
        first, second = connect("secret", "one"), connect("secret", "two")
        store.begin(1)
        second.send(type="get", generation=1)
        first.send(type="put", generation=1, value="id")
        assert second.receive() == {"type": "answer", "value": "id"}
        second.send(type="get", generation=0)
        assert second.receive() == {"type": "answer", "void": True}
        store.spoil()
        second.send(type="get", generation=1)
        assert second.receive() == {"type": "answer", "void": True}
        assert joined == []
    finally:
        store.close()


@pytest.mark.parametrize("text", ["localhost:0", ":2", "localhost:two"])
def test_hosts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        parse_hosts(text)


def test_a_function_runs_on_all_ranks() -> None:
    program = """
import operator
import horovod
assert horovod.run(operator.add, (1, 2), num_proc=2) == [3, 3]
assert horovod.run(dict, (), {"one": 1}, np=1) == [{"one": 1}]
try:
    horovod.run(operator.truediv, (1, 0), num_proc=2)
except RuntimeError as failed:
    assert "a rank failed" in str(failed)
else:
    raise SystemExit("no error")
"""
    here = pathlib.Path(__file__).parents[1]
    paths = [str(here / "regatta" / "hvd" / "shim" / "packages"), str(here)]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ZeroDivisionError" in done.stdout + done.stderr
