"""The calls of a communicator, made at once or submitted."""

import ctypes
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from regatta.eccl._arrays import describe, pair
from regatta.eccl._compressor import Compressor
from regatta.eccl._types import DataType, ReduceOp

T = TypeVar("T")


class Calls(Generic[T]):
    """Checks the arguments of each call and makes it; `_make` decides how, and what comes back."""

    rank: int
    size: int

    def _make(self, function: str, arguments: tuple[Any, ...], keep: tuple[Any, ...]) -> T:
        """Call ``function``, whose last argument is the communicator.

        ``keep`` is what has to live until the call is over.
        """
        raise NotImplementedError

    def all_reduce(self, send: Any, receive: Any, op: ReduceOp = ReduceOp.SUM) -> T:
        """Combine element by element over all ranks; ``send`` and ``receive`` may be one array."""
        source, target, kind = pair(send, receive)
        if source[1] != target[1]:
            raise ValueError(f"send has {source[1]} elements, receive has {target[1]}")
        return self._make(
            "ecclAllReduce",
            (
                source[0],
                target[0],
                source[1],
                kind,
                op,
            ),
            (send, receive),
        )

    def all_reduce_compressed(
        self, send: Any, receive: Any, compressor: Compressor, op: ReduceOp = ReduceOp.AVG
    ) -> T:
        """Combine by sum or avg, approximately: compressed on the wire. May be in place."""
        source, target, kind = pair(send, receive)
        if source[1] != target[1]:
            raise ValueError(f"send has {source[1]} elements, receive has {target[1]}")
        return self._make(
            "ecclAllReduceCompressed",
            (
                source[0],
                target[0],
                source[1],
                kind,
                op,
                compressor.handle,
            ),
            (send, receive, compressor),
        )

    def all_gather(self, send: Any, receive: Any, counts: Sequence[int] | None = None) -> T:
        """Collect all ranks' ``send`` in rank order; ``counts`` when they differ in length."""
        source, target, kind = pair(send, receive)
        sizes = list(counts) if counts is not None else [source[1]] * self.size
        if len(sizes) != self.size or sizes[self.rank] != source[1] or sum(sizes) != target[1]:
            raise ValueError(
                f"counts {sizes} do not fit send of {source[1]} and receive of "
                f"{target[1]} elements over {self.size} ranks"
            )
        return self._make(
            "ecclAllGatherV",
            (
                source[0],
                target[0],
                self._counts(sizes),
                kind,
            ),
            (send, receive),
        )

    def reduce_scatter(self, send: Any, receive: Any, op: ReduceOp = ReduceOp.SUM) -> T:
        """Combine over all ranks; this rank receives its part of ``size`` equal ones."""
        source, target, kind = pair(send, receive)
        if source[1] != target[1] * self.size:
            raise ValueError(
                f"send has {source[1]} elements; {self.size} times receive's {target[1]} are needed"
            )
        return self._make(
            "ecclReduceScatter",
            (
                source[0],
                target[0],
                target[1],
                kind,
                op,
            ),
            (send, receive),
        )

    def broadcast(self, array: Any, root: int = 0) -> T:
        """Overwrite ``array`` with that of ``root``."""
        address, count, kind = describe(array)
        return self._make(
            "ecclBroadcast",
            (
                address,
                address,
                count,
                kind,
                root,
            ),
            (array,),
        )

    def reduce(
        self, send: Any, receive: Any = None, op: ReduceOp = ReduceOp.SUM, root: int = 0
    ) -> T:
        """Combine element by element over all ranks; only ``root`` needs and fills ``receive``."""
        source, target, kind = self._at_root(send, receive, root, "receive")
        if self.rank == root and source[1] != target[1]:
            raise ValueError(f"send has {source[1]} elements, receive has {target[1]}")
        return self._make(
            "ecclReduce",
            (
                source[0],
                target[0],
                source[1],
                kind,
                op,
                root,
            ),
            (send, receive),
        )

    def gather(self, send: Any, receive: Any = None, root: int = 0) -> T:
        """Collect all ranks' ``send`` in rank order; only ``root`` needs and fills ``receive``."""
        source, target, kind = self._at_root(send, receive, root, "receive")
        if self.rank == root and target[1] != source[1] * self.size:
            raise ValueError(
                f"receive has {target[1]} elements; {self.size} times send's {source[1]} are needed"
            )
        return self._make(
            "ecclGather",
            (
                source[0],
                target[0],
                source[1],
                kind,
                root,
            ),
            (send, receive),
        )

    def scatter(self, send: Any, receive: Any, root: int = 0) -> T:
        """Give each rank its part of ``size`` equal ones; only ``root`` needs ``send``."""
        target, source, kind = self._at_root(receive, send, root, "send")
        if self.rank == root and source[1] != target[1] * self.size:
            raise ValueError(
                f"send has {source[1]} elements; {self.size} times receive's {target[1]} are needed"
            )
        return self._make(
            "ecclScatter",
            (
                source[0],
                target[0],
                target[1],
                kind,
                root,
            ),
            (send, receive),
        )

    def all_to_all(
        self, send: Any, send_counts: Sequence[int], receive: Any, receive_counts: Sequence[int]
    ) -> T:
        """Send part r of ``send`` to rank r and receive part r of ``receive`` from it."""
        source, target, kind = pair(send, receive)
        if sum(send_counts) != source[1] or sum(receive_counts) != target[1]:
            raise ValueError("the counts do not add up to the arrays' lengths")
        return self._make(
            "ecclAllToAllV",
            (
                source[0],
                self._counts(send_counts),
                target[0],
                self._counts(receive_counts),
                kind,
            ),
            (send, receive),
        )

    def barrier(self) -> T:
        """Wait until all ranks have come here."""
        return self._make("ecclBarrier", (), ())

    def send(self, array: Any, peer: int) -> T:
        """Send to one rank, which must call `receive`."""
        address, count, kind = describe(array)
        return self._make(
            "ecclSend",
            (
                address,
                count,
                kind,
                peer,
            ),
            (array,),
        )

    def receive(self, array: Any, peer: int) -> T:
        """Receive from one rank, which must call `send`."""
        address, count, kind = describe(array)
        return self._make(
            "ecclRecv",
            (
                address,
                count,
                kind,
                peer,
            ),
            (array,),
        )

    def send_receive(self, send: Any, to: int, receive: Any, source: int) -> T:
        """Send to one rank and receive from one, the same or another, at the same time."""
        outgoing, incoming, kind = pair(send, receive)
        return self._make(
            "ecclSendRecv",
            (
                *outgoing,
                to,
                *incoming,
                source,
                kind,
            ),
            (send, receive),
        )

    def _at_root(
        self, everywhere: Any, only_at_root: Any, root: int, name: str
    ) -> tuple[tuple[int, int], tuple[int, int], DataType]:
        if self.rank != root:
            address, count, kind = describe(everywhere)
            return (address, count), (0, 0), kind
        if only_at_root is None:
            raise ValueError(f"rank {root} is the root and needs {name}")
        return pair(everywhere, only_at_root)

    def _counts(self, counts: Sequence[int]) -> Any:
        if len(counts) != self.size:
            raise ValueError(f"{len(counts)} counts were given for {self.size} ranks")
        return (ctypes.c_size_t * self.size)(*counts)
