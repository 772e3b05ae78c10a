"""A rank's process, and where its output goes."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO

__all__ = ["Output", "Process"]

_print_lock = threading.Lock()


class Output:
    """Where the lines of the ranks go.

    Parameters
    ----------
    folder : str, optional
        Each rank's output goes to files below it, too: ``rank.0/stdout``, ``rank.0/stderr``.
    prefix : bool
        Put the rank before each line.
    """

    def __init__(self, folder: str | None, prefix: bool = True) -> None:
        self._folder = pathlib.Path(folder) if folder else None
        self._prefix = prefix

    def pump(self, label: str, stream: IO[str], kind: str) -> None:
        """Copy a rank's stdout or stderr until it ends."""
        target = sys.stdout if kind == "stdout" else sys.stderr
        with contextlib.ExitStack() as stack:
            file = None
            if self._folder is not None:
                place = self._folder / f"rank.{label}"
                place.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context((place / kind).open("a"))
            for line in stream:
                if file is not None:
                    file.write(line)
                    file.flush()
                with _print_lock:
                    target.write(f"[{label}]<{kind}>:{line}" if self._prefix else line)
                    target.flush()


class Process:
    """A running rank; ``on_exit`` gets its exit code once, from a thread of its own."""

    def __init__(
        self,
        label: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: Output,
        on_exit: Callable[[int], None],
    ) -> None:
        # A group of its own, so that what the rank starts ends with it.
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._on_exit = on_exit
        streams = (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        self._pumps = [
            threading.Thread(target=output.pump, args=(label, stream, kind), daemon=True)
            for kind, stream in streams
        ]
        for pump in self._pumps:
            pump.start()
        self._waiter = threading.Thread(target=self._wait, daemon=True)
        self._waiter.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait(self) -> None:
        code = self._process.wait()
        # Grandchildren that keep the pipes open are not waited for.
        for pump in self._pumps:
            pump.join(timeout=1.0)
        self._on_exit(code)

    def signal(self, number: int) -> None:
        """Send a signal to the rank and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def stop(self, grace: float) -> None:
        """End it: SIGTERM, and SIGKILL after ``grace`` seconds; returns when it has ended."""
        self.signal(signal.SIGTERM)
        self._waiter.join(grace)
        self.signal(signal.SIGKILL)
        self._waiter.join()
