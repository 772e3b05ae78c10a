"""Groups of ranks that run collectives of their own."""

from collections.abc import Iterable, Sequence

import numpy as np

from regatta import _library, eccl

__all__ = ["ProcessSet", "Registry", "global_process_set", "split"]


class ProcessSet:
    """Some of the job's ranks.

    Collectives name ranks by their numbers in the job, also inside a process set.

    Parameters
    ----------
    ranks : iterable of int
        In any order; a set is always in the order of the ranks' numbers.

    Attributes
    ----------
    process_set_id : int or None
        Its number once it has been added, None before and after it was removed.
    ranks : list of int or None
        The ranks; None for the global set before ``hvd.init()``.
    """

    process_set_id: int | None = None
    ranks: list[int] | None = None

    def __init__(self, ranks: Iterable[int]) -> None:
        try:
            listed = list(ranks)
        except TypeError:
            raise ValueError(
                "a process set is made from a list of ranks; MPI communicators are not supported"
            ) from None
        if any(not isinstance(rank, int) for rank in listed):
            raise ValueError(f"a process set is made from whole numbers, not {listed}")
        if len(set(listed)) != len(listed):
            raise ValueError(f"a process set has each rank once, not {listed}")
        self.ranks = sorted(listed)
        self._own_rank: int | None = None

    def attach(self, number: int, ranks: Sequence[int], own_rank: int) -> None:
        """Make valid; for the package's own use."""
        self.process_set_id, self.ranks, self._own_rank = number, list(ranks), own_rank

    def detach(self) -> None:
        """Make invalid; for the package's own use."""
        self.process_set_id = None

    def size(self) -> int | None:
        """Return the number of ranks, None while the set is not in use."""
        return None if self.process_set_id is None else len(self.ranks or ())

    def rank(self) -> int | None:
        """Return this process's number inside the set, None while the set is not in use.

        Raises
        ------
        ValueError
            When this process is not part of the set.
        """
        if self.process_set_id is None or self.ranks is None:
            return None
        if self._own_rank not in self.ranks:
            raise ValueError(f"rank {self._own_rank} is not part of {self}")
        return self.ranks.index(self._own_rank)

    def included(self) -> bool | None:
        """Tell whether this process is part of the set, None while that is not known."""
        if self.ranks is None or self._own_rank is None:
            return None
        return self._own_rank in self.ranks

    def __str__(self) -> str:
        return f"ProcessSet(process_set_id={self.process_set_id}, ranks={self.ranks})"


global_process_set = ProcessSet([])
global_process_set.process_set_id = 0


def split(
    parent: eccl.Communicator, rank: int, ranks: Sequence[int], **options: str | None
) -> "eccl.Communicator | None":
    """Make a communicator of some of the parent's ranks; None for the others.

    All ranks of the parent call it.
    """
    raw = np.zeros(_library.UNIQUE_ID_BYTES, np.uint8)
    if rank == ranks[0] and len(ranks) > 1:
        raw[:] = np.frombuffer(eccl.get_unique_id().data, np.uint8)
    parent.broadcast(raw, ranks[0])
    if rank not in ranks:
        return None
    if len(ranks) == 1:
        return eccl.Communicator(0, 1)
    return eccl.Communicator(
        list(ranks).index(rank), len(ranks), eccl.UniqueId(raw.tobytes()), **options
    )


class Registry:
    """The process sets of a job: members by number, and this rank's communicators.

    Changed by the background thread only, on all ranks at the same point.
    """

    def __init__(
        self, communicator: eccl.Communicator, rank: int, size: int, algorithm: str | None
    ) -> None:
        self._rank = rank
        self._algorithm = algorithm
        self._next = 1
        self._members: dict[int, tuple[int, ...]] = {0: tuple(range(size))}
        self._communicators: dict[int, eccl.Communicator | None] = {0: communicator}

    def members(self, number: int) -> tuple[int, ...] | None:
        """Return a set's ranks, None when there is no such set."""
        return self._members.get(number)

    def communicator(self, number: int) -> eccl.Communicator:
        """Return the communicator of a set that this rank is part of."""
        found = self._communicators[number]
        assert found is not None, f"this rank is not in process set {number}"
        return found

    def number_of(self, ranks: tuple[int, ...]) -> int | None:
        """Return the number of the set with these ranks."""
        return next((number for number, known in self._members.items() if known == ranks), None)

    def add(self, ranks: tuple[int, ...]) -> int:
        """Make a set; all ranks of the job call it."""
        parent = self.communicator(0)
        made = split(parent, self._rank, ranks, algorithm=self._algorithm)
        number, self._next = self._next, self._next + 1
        self._members[number] = ranks
        self._communicators[number] = made
        return number

    def remove(self, number: int) -> None:
        """Give a set up; all ranks of the job call it."""
        del self._members[number]
        made = self._communicators.pop(number)
        if made is not None:
            made.close()

    def leave(self, abort: bool) -> None:
        """Leave all communicators, the job's last; the first failure is raised at the end."""
        failed: eccl.EcclError | None = None
        for number in sorted(self._communicators, reverse=True):
            made = self._communicators.pop(number)
            try:
                if made is not None:
                    made.abort() if abort else made.close()
            except eccl.EcclError as error:
                failed = failed or error
        if failed is not None:
            raise failed
