"""Answers that the ranks remember, so that a tensor known to all needs one vote and no text.

All ranks make the same changes in the same order, so a slot's number means the same everywhere.
"""

from collections import OrderedDict

from regatta.hvd.requests import Request
from regatta.hvd.table import Ready

__all__ = ["Cache"]


class Cache:
    """Slots of all ranks' requests for one name; the least recently used one is given up.

    Parameters
    ----------
    capacity : int
        Number of slots; 0 switches the cache off.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._slots: list[dict[int, Request] | None] = []
        self._free: list[int] = []
        self._by_key: OrderedDict[tuple[int, str], int] = OrderedDict()  # least recent first

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def width(self) -> int:
        """Number of slots a vote has to cover."""
        return len(self._slots)

    def find(self, request: Request) -> int | None:
        """Return the slot of the request's name."""
        return self._by_key.get(request.key)

    def requests(self, slot: int) -> dict[int, Request] | None:
        """Return a slot's requests by rank; None when it is free."""
        return self._slots[slot]

    def use(self, slot: int) -> Ready:
        """Return the answer of a slot on which all ranks have voted yes."""
        requests = self._slots[slot]
        assert requests is not None, f"slot {slot} is free"
        self._by_key.move_to_end(next(iter(requests.values())).key)
        return Ready(requests)

    def insert(self, requests: dict[int, Request]) -> int | None:
        """Remember an answer; return the slot that was given up for it."""
        if self._capacity == 0:
            return None
        key = next(iter(requests.values())).key
        evicted = None
        if len(self._by_key) == self._capacity:
            evicted = next(iter(self._by_key.values()))
            self.drop(evicted)
        if self._free:
            slot = self._free.pop()
            self._slots[slot] = requests
        else:
            slot = len(self._slots)
            self._slots.append(requests)
        self._by_key[key] = slot
        return evicted

    def drop(self, slot: int) -> None:
        """Forget a slot."""
        requests = self._slots[slot]
        assert requests is not None, f"slot {slot} is free"
        del self._by_key[next(iter(requests.values())).key]
        self._slots[slot] = None
        self._free.append(slot)

    def slots_of(self, process_set: int) -> list[int]:
        """Return the slots whose tensors belong to a process set."""
        return [slot for key, slot in self._by_key.items() if key[0] == process_set]
