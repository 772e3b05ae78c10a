"""A rank's submission under way, and who works on its tensors."""

import threading
import time
from typing import Any, Protocol

from regatta.eccl import Communicator, Compressor
from regatta.hvd.requests import Request

__all__ = ["Backend", "Entry", "backend", "register_backend"]


class Entry:
    """A submission of this rank: its tensors, and what becomes of them."""

    __slots__ = ("_done", "error", "inputs", "outputs", "request", "results", "since")

    def __init__(
        self, request: Request, inputs: list[Any], outputs: list[Any] | None = None
    ) -> None:
        self.request = request
        self.inputs = inputs
        self.outputs = outputs  # where results of an in-place operation go; None: new ones are made
        self.results: list[Any] = []
        self.error: BaseException | None = None
        self.since = time.monotonic()
        self._done = threading.Lock()  # held until the outcome is known; cheaper than an Event
        self._done.acquire()

    def finish(self, error: BaseException | None = None) -> None:
        """Make the outcome known. Called once."""
        self.error = error
        self._done.release()

    def part(self, indices: list[int]) -> "Entry":
        """Return an entry of some of the tensors."""
        shapes, dtypes = self.request.shapes, self.request.dtypes
        request = self.request._replace(
            shapes=tuple(shapes[index] for index in indices),
            dtypes=tuple(dtypes[index] for index in indices),
        )
        outputs = self.outputs
        return Entry(
            request,
            [self.inputs[index] for index in indices],
            None if outputs is None else [outputs[index] for index in indices],
        )

    def done(self) -> bool:
        """Tell whether the outcome is known."""
        return not self._done.locked()

    def wait(self) -> None:
        """Return when the outcome is known."""
        with self._done:
            pass


class Backend(Protocol):
    """What a framework brings: how its tensors are combined. Called by the background thread."""

    def zeros(self, request: Request) -> Entry:
        """Return a submission of zeros, for a rank that has joined."""

    def all_reduce(
        self, communicator: Communicator, entries: list[Entry], begin: int, end: int | None
    ) -> None:
        """Reduce all entries together, or elements [begin, end) of the one entry's tensor."""

    def all_reduce_compressed(
        self, communicator: Communicator, entry: Entry, compressor: Compressor
    ) -> None:
        """Reduce the entry's one tensor approximately."""

    def perform(
        self,
        communicator: Communicator,
        entry: Entry,
        requests: dict[int, Request],
        members: tuple[int, ...],
    ) -> None:
        """Run another collective; ``requests`` are the members', by rank of the job."""


_backends: dict[str, Backend] = {}


def register_backend(name: str, made: Backend) -> None:
    """Make a framework known."""
    _backends[name] = made


def backend(name: str) -> Backend:
    """Return a framework's back end."""
    if name not in _backends:
        raise RuntimeError(
            f"the other ranks reduce tensors of {name}, but this one has not imported "
            f"regatta.hvd.{name}"
        )
    return _backends[name]
