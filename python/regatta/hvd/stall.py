"""Notices tensors that some ranks do not submit."""

import logging
import time

from regatta.hvd.table import Table

__all__ = ["StallCheck"]

_log = logging.getLogger("regatta.hvd")


def _list(ranks: list[int]) -> str:
    return ", ".join(str(rank) for rank in ranks)


class StallCheck:
    """Warns of what has waited ``warning`` seconds, and ends the job after ``limit``; 0: never."""

    def __init__(self, warning: float, limit: float) -> None:
        self.warning = warning
        self._limit = limit
        self._next = time.monotonic()

    def due(self) -> bool:
        """Tell whether it is time to look; then the next time is later."""
        now = time.monotonic()
        if self.warning <= 0 or now < self._next:
            return False
        self._next = now + min(self.warning, 1.0) / 2
        return True

    def look(self, table: Table) -> str:
        """Warn of what is new; return why the job has to end, "" when it need not."""
        for name, ranks, news in table.missing(self.warning):
            if news:
                _log.warning(
                    'tensor "%s" has waited %.0f s for rank %s, which did not submit it; '
                    "the ranks' programs may have gone different ways",
                    name,
                    self.warning,
                    _list(ranks),
                )
        if self._limit > 0:
            for name, ranks, _ in table.missing(self._limit):
                return (
                    f'tensor "{name}" has waited longer than {self._limit:g} s '
                    f"(HOROVOD_STALL_SHUTDOWN_TIME_SECONDS) for rank {_list(ranks)}"
                )
        return ""
