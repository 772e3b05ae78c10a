"""News of hosts on their way from the launcher to the training loop."""

import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["ADDED", "REMOVED", "Inbox", "listening", "need_sync", "sync_needed", "tell"]

ADDED, REMOVED = 1, 2
Listener = Callable[[float, int], None]

_lock = threading.Lock()
_listeners: list[Listener] = []
# News that came before anybody listened.
_early: list[tuple[float, int]] = []
# Whether the ranks have to agree on their state when they have met; all ranks answer alike then.
_sync = True


def need_sync(needed: bool) -> None:
    """Set whether the ranks' states may differ."""
    global _sync
    _sync = needed


def sync_needed() -> bool:
    """Tell whether the ranks' states may differ."""
    return _sync


class Inbox:
    """What has changed since somebody looked. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest = 0.0
        self._update = 0

    def put(self, timestamp: float, update: int) -> None:
        """Add a change; one that is not newer than what was taken is old news."""
        with self._lock:
            if timestamp > self._latest:
                self._latest = timestamp
                self._update |= update

    def take(self) -> int:
        """Return ADDED, REMOVED, both, or 0, and forget it."""
        with self._lock:
            update, self._update = self._update, 0
            return update

    def clear(self) -> None:
        """Forget what has changed."""
        self.take()


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call ``listener(timestamp, update)`` for each change, from any thread."""
    with _lock:
        _listeners.append(listener)
        early, _early[:] = list(_early), []
    for timestamp, update in early:
        listener(timestamp, update)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)


def tell(timestamp: float, update: int) -> None:
    """Pass a change on."""
    with _lock:
        listeners = list(_listeners)
        if not listeners:
            _early.append((timestamp, update))
    for listener in listeners:
        listener(timestamp, update)
