"""What ranks submit, and the table in which submissions of one name come together.

Every rank sees every rank's requests in the same order and runs the same code over them, so all
ranks reach the same decisions without a second round trip.
"""

import dataclasses
import json
import time

__all__ = ["Ready", "Request", "Table", "decode", "encode"]


@dataclasses.dataclass(frozen=True)
class Request:
    """One rank's wish to take part in the collective called ``name``."""

    name: str
    kind: str  # allreduce, allgather, broadcast, alltoall, reducescatter, barrier
    shapes: tuple[tuple[int, ...], ...] = ()  # several for a group
    dtypes: tuple[str, ...] = ()
    op: int = 0
    root: int = 0
    prescale: float = 1.0
    postscale: float = 1.0
    splits: tuple[int, ...] = ()  # alltoall: elements of the first dimension for each rank

    def describe(self) -> str:
        """Say kind, type and shape, for error messages."""
        parts = [
            f"{dtype}{list(shape)}" for dtype, shape in zip(self.dtypes, self.shapes, strict=True)
        ]
        text = f"{self.kind} of {', '.join(parts[:4])}" if parts else self.kind
        if len(parts) > 4:
            text += f" and {len(parts) - 4} more"
        if self.kind == "broadcast":
            text += f" from rank {self.root}"
        if self.kind in ("allreduce", "reducescatter"):
            text += f" (op {self.op}, scaled by {self.prescale:g} and {self.postscale:g})"
        return text

    def signature(self) -> tuple[object, ...]:
        """Return what has to be equal on all ranks."""
        shapes = self.shapes
        if self.kind in ("allgather", "alltoall"):
            shapes = tuple(shape[1:] for shape in shapes)  # the first dimension may differ
        return (self.kind, shapes, self.dtypes, self.op, self.root, self.prescale, self.postscale)


def encode(requests: list[Request], leaving: bool, failure: str) -> bytes:
    """Make one rank's contribution to a cycle; nothing at all when it has none."""
    if not requests and not leaving and not failure:
        return b""
    return json.dumps(
        {
            "requests": [dataclasses.astuple(request) for request in requests],
            "leaving": leaving,
            "failure": failure,
        }
    ).encode()


def decode(data: bytes) -> tuple[list[Request], bool, str]:
    """Read what `encode` made."""
    if not data:
        return [], False, ""
    body = json.loads(data)
    requests = []
    for name, kind, shapes, dtypes, op, root, prescale, postscale, splits in body["requests"]:
        requests.append(
            Request(
                name,
                kind,
                tuple(tuple(shape) for shape in shapes),
                tuple(dtypes),
                op,
                root,
                prescale,
                postscale,
                tuple(splits),
            )
        )
    return requests, body["leaving"], body["failure"]


@dataclasses.dataclass
class _Row:
    since: float
    by_rank: dict[int, Request] = dataclasses.field(default_factory=dict)
    warned: bool = False


@dataclasses.dataclass(frozen=True)
class Ready:
    """Something all ranks know the outcome of: run it, or fail it on the ranks concerned."""

    requests: list[Request]  # by rank; just one when there is an error
    error: str
    ranks: tuple[int, ...]


class Table:
    """Submissions that wait for other ranks."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: dict[str, _Row] = {}
        # Names on which ranks differed: the text, and the ranks that have yet to be told.
        self._spoilt: dict[str, tuple[str, set[int]]] = {}
        self._late: list[Ready] = []

    def add(self, rank: int, request: Request) -> None:
        text, absent = self._spoilt.get(request.name, ("", set()))
        if rank in absent:
            absent.remove(rank)
            if not absent:
                del self._spoilt[request.name]
            self._late.append(Ready([request], text, (rank,)))
            return
        row = self._rows.setdefault(request.name, _Row(time.monotonic()))
        row.by_rank[rank] = request

    def take_ready(self) -> "list[Ready]":
        """Remove and return what all ranks have submitted, and what can never agree.

        Items come in the order in which their first submission did, the same on all ranks.
        """
        ready, self._late = self._late, []
        for name, row in list(self._rows.items()):
            first_rank, first = next(iter(row.by_rank.items()))
            other = next(
                (
                    (rank, request)
                    for rank, request in row.by_rank.items()
                    if request.signature() != first.signature()
                ),
                None,
            )
            if other is not None:
                text = (
                    f'tensor "{name}" differs between ranks: rank {first_rank} submitted '
                    f"{first.describe()}, rank {other[0]} submitted {other[1].describe()}"
                )
                ready.append(Ready([first], text, tuple(row.by_rank)))
                absent = set(range(self._size)) - set(row.by_rank)
                if absent:
                    self._spoilt[name] = (text, absent)
                del self._rows[name]
            elif len(row.by_rank) == self._size:
                everyone = tuple(range(self._size))
                ready.append(Ready([row.by_rank[rank] for rank in everyone], "", everyone))
                del self._rows[name]
        return ready

    def missing(self, older_than: float) -> list[tuple[str, list[int], bool]]:
        """Return names waiting longer, the ranks they wait for, and whether that is news."""
        now = time.monotonic()
        found = []
        for name, row in self._rows.items():
            if now - row.since >= older_than:
                absent = [rank for rank in range(self._size) if rank not in row.by_rank]
                found.append((name, absent, not row.warned))
                row.warned = True
        return found
