"""What a rank submits, and how submissions travel to the other ranks."""

import json
from typing import Any, NamedTuple

from regatta.hvd.reductions import Op
from regatta.hvd.wire import Wire

__all__ = ["Message", "Request", "decode", "encode"]

_ITEM_BYTES = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
}
# Those that have to reach all ranks and concern no tensor.
CONTROL_KINDS = ("barrier", "join", "add_process_set", "remove_process_set")


class Request(NamedTuple):
    """One rank's wish to take part in the collective called ``name``."""

    name: str
    kind: str  # allreduce, allgather, broadcast, alltoall, reducescatter, or a control kind
    shapes: tuple[tuple[int, ...], ...] = ()  # several for a group
    dtypes: tuple[str, ...] = ()
    op: int = 0
    root: int = 0  # a rank of the job, also in a process set
    prescale: float = 1.0
    postscale: float = 1.0
    splits: tuple[int, ...] = ()  # alltoall: rows for each rank; add_process_set: the ranks
    process_set: int = 0
    backend: str = ""  # who handles the tensors: "torch"
    priority: int = 0  # higher goes first
    cacheable: bool = True
    wire: tuple[Any, ...] = ()  # fields of `regatta.hvd.wire.Wire`; () travels as it is

    @property
    def key(self) -> tuple[int, str]:
        """What submissions of different ranks are matched by."""
        return self.process_set, self.name

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
        if self.kind == "add_process_set":
            text += f" of ranks {list(self.splits)}"
        if self.kind == "remove_process_set":
            text += f" {self.root}"
        if self.kind in ("allreduce", "reducescatter"):
            text += f" ({Op(self.op).name.lower()}, scaled by {self.prescale:g} and "
            text += f"{self.postscale:g})"
        if self.wire:
            text += f" compressed by {Wire(*self.wire).describe()}"
        return text

    def signature(self) -> tuple[object, ...]:
        """Return what has to be equal on all ranks."""
        shapes, splits = self.shapes, self.splits
        if self.kind in ("allgather", "alltoall"):
            shapes = tuple(shape[1:] for shape in shapes)  # the first dimension may differ
            splits = ()
        return (
            self.kind,
            shapes,
            self.dtypes,
            self.op,
            self.root,
            self.prescale,
            self.postscale,
            splits,
            self.backend,
            self.wire,
        )

    def elements(self) -> int:
        """Return the number of elements of all tensors."""
        total = 0
        for shape in self.shapes:
            count = 1
            for extent in shape:
                count *= extent
            total += count
        return total

    def byte_count(self) -> int:
        """Return the payload's size in bytes."""
        total = 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            count = _ITEM_BYTES.get(dtype, 8)
            for extent in shape:
                count *= extent
            total += count
        return total


class Message(NamedTuple):
    """One rank's contribution to a cycle that is more than votes on what is known."""

    requests: tuple[tuple[Request, float], ...] = ()  # each with its age in seconds
    leaving: bool = False
    failure: str = ""  # rank 0: why all have to end
    tuning: tuple[int, float] | None = None  # rank 0: fusion threshold and cycle time from now on

    def empty(self) -> bool:
        """Tell whether there is nothing to say."""
        return not (self.requests or self.leaving or self.failure or self.tuning)


def encode(message: Message) -> bytes:
    """Make bytes of a message; none of an empty one."""
    return b"" if message.empty() else json.dumps(message).encode()


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def decode(data: bytes) -> Message:
    """Read what `encode` made."""
    if not data:
        return Message()
    requests, leaving, failure, tuning = _tuples(json.loads(data))
    return Message(
        tuple((Request(*request), age) for request, age in requests), leaving, failure, tuning
    )
