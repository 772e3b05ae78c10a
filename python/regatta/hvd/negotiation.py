"""One round between the background threads: votes on what is cached, then, when somebody has more
to say, everybody's messages.
"""

import ctypes

import numpy as np

from regatta.eccl import Communicator, ReduceOp
from regatta.hvd.requests import Message, decode, encode

__all__ = ["INVALID", "NO", "YES", "Negotiator"]

# The least of all ranks' votes is the outcome: one says "invalid", or one is not ready, or all are.
INVALID, NO, YES = 0, 1, 2


class Negotiator:
    """Talks over the job's communicator; used by the background thread only."""

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator
        self._buffer = np.zeros(256, np.uint8)

    def ballot(self, width: int) -> np.ndarray:
        """Return room for one vote on each of ``width`` slots, valid until the next call."""
        if width >= len(self._buffer):
            self._buffer = np.zeros(2 * width, np.uint8)
        return self._buffer[1 : width + 1]

    def vote(self, width: int, quiet: bool) -> bool:
        """Replace the ballot by the least votes of all ranks; return whether all were quiet.

        Parameters
        ----------
        width : int
            Number of slots, the same on all ranks.
        quiet : bool
            Whether this rank has no message.
        """
        whole = self._buffer[: width + 1]
        whole[0] = YES if quiet else NO
        self._communicator.all_reduce(whole, whole, ReduceOp.MIN)
        return bool(whole[0] == YES)

    def exchange(self, mine: Message) -> list[Message]:
        """Return all ranks' messages, by rank."""
        data = encode(mine)
        lengths = np.zeros(self._communicator.size, np.int64)
        self._communicator.all_gather(np.array([len(data)]), lengths)
        counts = lengths.tolist()
        received = np.empty(sum(counts), np.uint8)
        self._communicator.all_gather(np.array(bytearray(data), np.uint8), received, counts)
        whole = ctypes.string_at(received.ctypes.data, received.size)
        messages, at = [], 0
        for count in counts:
            messages.append(decode(whole[at : at + count]))
            at += count
        return messages
