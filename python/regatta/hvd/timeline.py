"""A record of what the background thread and the optimizer did, as a Chrome trace."""

import json
import pathlib
import threading
import time
from typing import Any

__all__ = ["Timeline"]


class Timeline:
    """Collects events until `write`; one that is off costs a comparison. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: pathlib.Path | None = None
        self._events: list[dict[str, Any]] = []

    @property
    def on(self) -> bool:
        return self._path is not None

    def start(self, path: str, rank: int) -> None:
        """Record from now on, to be written to ``path`` (".<rank>" is added but for rank 0)."""
        with self._lock:
            self._path = pathlib.Path(path if rank == 0 else f"{path}.{rank}")
            self._events = []

    def event(self, name: str, begin: float, end: float, **details: object) -> None:
        """Record one span; times are of ``time.monotonic()``."""
        if not self.on:
            return
        with self._lock:
            self._events.append(
                {
                    "name": name,
                    "ph": "X",
                    "pid": 0,
                    "tid": threading.get_native_id(),
                    "ts": begin * 1e6,
                    "dur": (end - begin) * 1e6,
                    "args": details,
                }
            )

    def mark(self, name: str, **details: object) -> None:
        """Record a moment: now."""
        now = time.monotonic()
        self.event(name, now, now, **details)

    def stop(self) -> None:
        """Write the file and record no more."""
        with self._lock:
            path, self._path = self._path, None
            events, self._events = self._events, []
        if path is not None:
            path.write_text(json.dumps({"traceEvents": events}))
