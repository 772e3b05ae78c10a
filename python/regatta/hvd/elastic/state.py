"""State that outlives ranks, and the loop that brings all ranks back to it."""

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any

from regatta.hvd.elastic import notices
from regatta.hvd.errors import HorovodInternalError, HostsUpdatedInterrupt

__all__ = ["ObjectState", "State", "run_with"]

_log = logging.getLogger("regatta.hvd")


class State:
    """What all ranks of an elastic job have in common.

    Parameters
    ----------
    bcast_object : callable
        Returns the object of rank 0 on all ranks.
    get_rank : callable
        Returns this rank.
    """

    def __init__(self, bcast_object: Callable[[Any], Any], get_rank: Callable[[], int]) -> None:
        self._bcast_object = bcast_object
        self._rank = get_rank
        self._inbox = notices.Inbox()
        self._reset_callbacks: list[Callable[[], None]] = []

    def register_reset_callbacks(self, callbacks: Iterable[Callable[[], None]]) -> None:
        """Add functions to be called when the ranks have changed, before the next `sync`."""
        self._reset_callbacks.extend(callbacks)

    def on_reset(self) -> None:
        """Adapt to other ranks; called by the loop."""
        self._inbox.clear()
        self.reset()
        for callback in self._reset_callbacks:
            callback()

    def on_hosts_updated(self, timestamp: float, update: int) -> None:
        """Take note that hosts have come (1), gone (2) or both (3); may be called by any thread."""
        self._inbox.put(timestamp, update)

    def commit(self) -> None:
        """Save, then `check_host_updates`: what is committed survives the death of ranks."""
        self.save()
        self.check_host_updates()

    def check_host_updates(self) -> None:
        """Raise `HostsUpdatedInterrupt` on all ranks when hosts have changed.

        A collective: all ranks call it at the same point.
        """
        # Rank 0's view counts, so that all ranks see the same change at the same time.
        update = self._bcast_object(self._inbox.take())
        if update:
            raise HostsUpdatedInterrupt(update == notices.REMOVED)

    def save(self) -> None:
        """Keep a copy in memory."""
        raise NotImplementedError

    def restore(self) -> None:
        """Go back to the last copy."""
        raise NotImplementedError

    def sync(self) -> None:
        """Bring all ranks to the state of rank 0."""
        raise NotImplementedError

    def reset(self) -> None:
        """Adapt to other ranks, before the reset callbacks."""


class ObjectState(State):
    """State of plain Python objects, each an attribute of this object.

    Parameters
    ----------
    **values : object
        First values by name. They are replaced, not changed, between commits: a list that is
        appended to is not brought back.
    """

    def __init__(
        self, bcast_object: Callable[[Any], Any], get_rank: Callable[[], int], **values: Any
    ) -> None:
        self._saved = values
        super().__init__(bcast_object, get_rank)
        self._set_all()

    def save(self) -> None:
        """Keep the present values."""
        self._saved = {name: getattr(self, name) for name in self._saved}

    def restore(self) -> None:
        """Go back to the values that were saved last."""
        self._set_all()

    def sync(self) -> None:
        """Take over the values that rank 0 saved last."""
        if self._saved:
            self._saved = self._bcast_object(self._saved)
            self._set_all()

    def _set_all(self) -> None:
        for name, value in self._saved.items():
            setattr(self, name, value)


def run_with(function: Callable[..., Any], start_again: Callable[[], None]) -> Callable[..., Any]:
    """Return ``function`` in a loop that survives changes of the ranks.

    Parameters
    ----------
    function : callable
        Gets a `State`, and is called again after each change.
    start_again : callable
        Leaves the old ranks and meets the new ones.
    """

    @functools.wraps(function)
    def wrapper(state: State, *arguments: Any, **options: Any) -> Any:
        notices.need_sync(True)
        with notices.listening(state.on_hosts_updated):
            while True:
                try:
                    if notices.sync_needed():
                        state.sync()
                    return function(state, *arguments, **options)
                except HorovodInternalError as failed:
                    _log.warning("going back to the last commit: %s", failed)
                    state.restore()
                    notices.need_sync(True)
                except HostsUpdatedInterrupt as interrupt:
                    notices.need_sync(not interrupt.skip_sync)
                # Whether another rank needs the state is known when all have met.
                start_again()
                state.on_reset()

    return wrapper
