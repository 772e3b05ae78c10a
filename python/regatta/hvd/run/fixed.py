"""A job with a fixed number of ranks: it ends with the first one that fails."""

import os
import queue
import secrets
import socket
from collections.abc import Mapping, Sequence

from regatta.hvd.run.hosts import Host
from regatta.hvd.run.processes import Output, Process

__all__ = ["run_fixed"]

_GRACE = 10.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _environments(hosts: Sequence[Host], size: int) -> list[dict[str, str]]:
    """Return what each rank is told about itself; ranks of one host are neighbours."""
    counts: list[int] = []
    left = size
    for host in hosts:
        counts.append(min(host.slots, left))
        left -= counts[-1]
    counts = [count for count in counts if count]
    port, token = str(_free_port()), secrets.token_hex(16)
    told = []
    for cross_rank, count in enumerate(counts):
        for local_rank in range(count):
            numbers = {
                "RANK": len(told),
                "SIZE": size,
                "LOCAL_RANK": local_rank,
                "LOCAL_SIZE": count,
                "CROSS_RANK": cross_rank,
                "CROSS_SIZE": len(counts),
            }
            told.append(
                {f"HOROVOD_{name}": str(value) for name, value in numbers.items()}
                | {
                    "ECCL_MASTER_ADDR": "127.0.0.1",
                    "ECCL_MASTER_PORT": port,
                    "ECCL_JOB_TOKEN": token,
                }
            )
    return told


def run_fixed(
    command: Sequence[str],
    size: int,
    hosts: Sequence[Host],
    environment: Mapping[str, str],
    output: Output,
) -> int:
    """Run ``command`` once a rank; return 0, or the exit code of the first rank that failed."""
    ended: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    processes: dict[int, Process] = {}
    result = 0
    try:
        for rank, told in enumerate(_environments(hosts, size)):

            def on_exit(code: int, rank: int = rank) -> None:
                ended.put((rank, code))

            processes[rank] = Process(
                str(rank), command, {**os.environ, **environment, **told}, output, on_exit
            )
        while processes and result == 0:
            rank, code = ended.get()
            del processes[rank]
            if code != 0:
                result = code if code > 0 else 128 - code
                print(f"rank {rank} ended with code {code}; the others are stopped", flush=True)
    finally:
        for process in processes.values():
            process.stop(_GRACE)
    return result
