"""Starts a process for each rank of a contender."""

import os
import socket
import subprocess
from collections.abc import Callable, Mapping

from bench.harness.case import Wrong

RANKS = 2

Values = dict[str, float]


def ranks_output(command: list[str], extra: Mapping[str, str], ranks: int = RANKS) -> str:
    """Starts one process a rank with the usual environment; gives what rank 0 printed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started = []
    for rank in range(ranks):
        environment = {
            **os.environ,
            **extra,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(ranks),
            "LOCAL_WORLD_SIZE": str(ranks),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        started.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [child.communicate(timeout=600)[0] for child in started]
    for child, output in zip(started, outputs, strict=True):
        if child.returncode != 0:
            raise Wrong(f"{command[0]} ended with {child.returncode}: {output.strip()[-300:]}")
    return outputs[0]


def together(measure: Callable[[], dict[str, Values]]) -> Callable[[str], Values]:
    """Contenders that take turns within one run: whoever is asked first makes it."""
    kept: dict[str, Values] = {}

    def take(name: str) -> Values:
        if name not in kept:
            kept.update(measure())
        return kept.pop(name)

    return take
