"""A record of what the background thread and the optimizer did, as a Chrome trace."""

import json
import pathlib
import threading
import time
from typing import Any, TextIO

__all__ = ["Timeline"]

# At the latest when so much time has passed does the file have what has happened.
_FLUSH_SECONDS = 0.05


class Timeline:
    """Writes events as they come; one that is off costs a comparison. Thread-safe.

    The file is a JSON array that is complete after `stop`; after a crash only its last bracket is
    missing, which trace viewers forgive.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._flush_at = 0.0
        self._flushed = True
        self._offset = time.time() - time.monotonic()
        self.on = False
        self.marks_cycles = False

    def start(self, path: str, rank: int, marks_cycles: bool = False) -> None:
        """Record from now on in ``path`` (".<rank>" is added but for rank 0)."""
        self.stop()
        with self._lock:
            name = path if rank == 0 else f"{path}.{rank}"
            self._file = pathlib.Path(name).open("w", encoding="utf-8")  # noqa: SIM115
            first = {
                "name": "process_name",
                "ph": "M",
                "pid": rank,
                "args": {
                    "name": f"rank {rank}",
                    "start_time_since_epoch_in_micros": int(time.time() * 1e6),
                },
            }
            self._file.write("[\n" + json.dumps(first))
            self._rank = rank
            self.marks_cycles = marks_cycles
            self.on = True

    def event(self, name: str, begin: float, end: float, **details: object) -> None:
        """Record one span; times are of ``time.monotonic()``."""
        if self.on:
            self._write({"ph": "X", "dur": (end - begin) * 1e6}, name, begin, details)

    def mark(self, name: str, **details: object) -> None:
        """Record a moment: now."""
        if self.on:
            self._write({"ph": "X", "dur": 0}, name, time.monotonic(), details)

    def cycle(self) -> None:
        """Record that a cycle of the background thread begins, when that is wanted.

        Cycles also bring what was recorded into the file: they come when nothing else does, too.
        """
        if not self.on:
            return
        now = time.monotonic()
        if self.marks_cycles:
            self._write({"ph": "i", "s": "p"}, "CYCLE_START", now, {})
        if now >= self._flush_at and not self._flushed:
            self._flush_at = now + _FLUSH_SECONDS
            with self._lock:
                if self._file is not None:
                    self._file.flush()
                    self._flushed = True

    def _write(
        self, event: dict[str, Any], name: str, begin: float, details: dict[str, object]
    ) -> None:
        event |= {"name": name, "ts": (begin + self._offset) * 1e6, "args": details}
        event["tid"] = threading.get_native_id()
        with self._lock:
            if self._file is None:
                return
            event["pid"] = self._rank
            self._file.write(",\n" + json.dumps(event))
            self._flushed = False

    def stop(self) -> None:
        """Complete the file and record no more."""
        with self._lock:
            self.on = False
            if self._file is not None:
                self._file.write("\n]\n")
                self._file.close()
                self._file = None
