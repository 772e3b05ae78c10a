"""In which order agreed collectives run, which of them share a message, and which go in parts.

Runs on all ranks over the same queue and gives the same answers.
"""

import dataclasses

from regatta.hvd.reductions import Op
from regatta.hvd.requests import Request
from regatta.hvd.table import Ready

__all__ = ["Limits", "Slot", "enqueue", "take_slot"]


@dataclasses.dataclass
class Limits:
    """Sizes in bytes."""

    fusion: int  # all-reduces that travel together; 0: none do
    partition: int  # larger tensors go in parts of this size; 0: they go whole
    fuse_groups: bool = True


@dataclasses.dataclass
class Slot:
    """What is run at once: fused items, or elements [begin, end) of one large tensor."""

    items: list[Ready]
    byte_count: int
    begin: int = 0
    end: int | None = None  # None: whole tensors
    last: bool = True  # the items are finished with it


def enqueue(queue: list[Ready], fresh: list[Ready]) -> None:
    """Add to the queue; higher priorities first, else in the order of coming."""
    queue.extend(fresh)
    if any(item.priority for item in queue):
        queue.sort(key=lambda item: -item.priority)  # stable


def _fusion_key(request: Request) -> tuple[object, ...]:
    return (
        request.process_set,
        request.op,
        request.prescale,
        request.postscale,
        frozenset(request.dtypes),
        request.backend,
    )


def take_slot(queue: list[Ready], limits: Limits) -> Slot:
    """Remove from a queue that is not empty what is to run next."""
    head = queue[0]
    request = head.request
    size = request.byte_count()
    if request.kind != "allreduce" or request.op == Op.ADASUM or request.wire:
        return Slot([queue.pop(0)], size)
    if 0 < limits.partition < size and len(request.shapes) == 1:
        return _take_part(queue, limits, size)
    fused, rest = [head], []
    alone = len(request.shapes) > 1 and not limits.fuse_groups
    key = _fusion_key(request)
    for item in queue[1:]:
        one = item.request
        more = one.byte_count()
        fits = (
            not alone
            and size + more <= limits.fusion
            and one.kind == "allreduce"
            and not one.wire
            and (limits.fuse_groups or len(one.shapes) == 1)
            and not 0 < limits.partition < more
            and _fusion_key(one) == key
        )
        if fits:
            fused.append(item)
            size += more
        else:
            rest.append(item)
    queue[:] = rest
    return Slot(fused, size)


def _take_part(queue: list[Ready], limits: Limits, size: int) -> Slot:
    head = queue[0]
    elements = head.request.elements()
    part = max(limits.partition // (size // elements), 1)
    begin = head.done
    end = min(begin + part, elements)
    head.done = end
    last = end == elements
    if last:
        queue.pop(0)
    return Slot([head], (end - begin) * (size // elements), begin, end, last)
