"""The table in which submissions of one name come together.

Every rank sees every rank's submissions in the same order and runs the same code over them, so all
ranks reach the same decisions without a second round trip.
"""

import dataclasses
import time
from collections.abc import Callable

from regatta.hvd.reductions import Op
from regatta.hvd.requests import Request

__all__ = ["Ready", "Table", "joinable"]


def joinable(request: Request) -> bool:
    """Tell whether ranks that have joined can take part, with zeros."""
    return request.kind == "allreduce" and request.op in (Op.AVERAGE, Op.SUM, Op.ADASUM)


@dataclasses.dataclass
class Ready:
    """Something all ranks know the outcome of: run it, or fail it on the ranks concerned."""

    requests: dict[int, Request]  # by rank of the job; without those that have joined
    error: str = ""
    done: int = 0  # elements of a large tensor that are already reduced

    @property
    def request(self) -> Request:
        """Return one rank's request, the same one on all ranks."""
        return next(iter(self.requests.values()))

    @property
    def priority(self) -> int:
        return max(request.priority for request in self.requests.values())


@dataclasses.dataclass
class _Row:
    since: float
    by_rank: dict[int, Request] = dataclasses.field(default_factory=dict)
    warned: bool = False


class Table:
    """Submissions that wait for other ranks.

    Parameters
    ----------
    members : callable
        Ranks of a process set by its number; None when there is no such set (any more).
    """

    def __init__(self, size: int, members: Callable[[int], tuple[int, ...] | None]) -> None:
        self._size = size
        self._members = members
        self._rows: dict[tuple[int, str], _Row] = {}
        # Names on which ranks differed: the text, and the ranks that have yet to be told.
        self._spoilt: dict[tuple[int, str], tuple[str, set[int]]] = {}
        self._late: list[Ready] = []
        self.joined: dict[int, Request] = {}  # in the order in which they did

    def add(self, rank: int, request: Request, age: float = 0.0) -> None:
        """Enter a submission which is ``age`` seconds old."""
        if request.kind == "join":
            self.joined[rank] = request
            return
        key = request.key
        text, absent = self._spoilt.get(key, ("", set()))
        if rank in absent:
            absent.remove(rank)
            if not absent:
                del self._spoilt[key]
            self._late.append(Ready({rank: request}, text))
            return
        since = time.monotonic() - age
        row = self._rows.setdefault(key, _Row(since))
        row.since = min(row.since, since)
        row.by_rank[rank] = request

    def take_ready(self) -> list[Ready]:
        """Remove and return what all ranks have submitted, and what can never agree.

        Items come in the order in which their first submission did, the same on all ranks.
        """
        ready, self._late = self._late, []
        for key, row in list(self._rows.items()):
            item = self._judge(key, row)
            if item is not None:
                ready.append(item)
                del self._rows[key]
        if len(self.joined) == self._size:
            ready.append(Ready(dict(self.joined)))
            self.joined.clear()
        return ready

    def _judge(self, key: tuple[int, str], row: _Row) -> Ready | None:
        members = self._members(key[0])
        if members is None:
            return Ready(row.by_rank, f'tensor "{key[1]}": process set {key[0]} was removed')
        text = self._difference(key, row)
        waiting = [rank for rank in members if rank not in row.by_rank]
        if not text and not waiting:
            return Ready({rank: row.by_rank[rank] for rank in members})
        absent = [rank for rank in waiting if rank not in self.joined]
        if not text and not absent:
            first = next(iter(row.by_rank.values()))
            if joinable(first):
                return Ready(row.by_rank)
            gone = ", ".join(str(rank) for rank in waiting)
            text = (
                f'tensor "{key[1]}": {first.describe()} cannot be done without rank {gone}, which '
                "called hvd.join(); only all-reduces that average or add can"
            )
        if not text:
            return None
        if absent:
            self._spoilt[key] = (text, set(absent))
        return Ready(row.by_rank, text)

    @staticmethod
    def _difference(key: tuple[int, str], row: _Row) -> str:
        first_rank, first = next(iter(row.by_rank.items()))
        signature = first.signature()
        for rank, request in row.by_rank.items():
            if request.signature() != signature:
                return (
                    f'tensor "{key[1]}" differs between ranks: rank {first_rank} submitted '
                    f"{first.describe()}, rank {rank} submitted {request.describe()}"
                )
        return ""

    def missing(self, older_than: float) -> list[tuple[str, list[int], bool]]:
        """Return names waiting longer, the ranks they wait for, and whether that is news."""
        now = time.monotonic()
        found = []
        for key, row in self._rows.items():
            if now - row.since >= older_than:
                members = self._members(key[0]) or ()
                absent = [
                    rank for rank in members if rank not in row.by_rank and rank not in self.joined
                ]
                found.append((key[1], absent, not row.warned))
                row.warned = True
        return found
