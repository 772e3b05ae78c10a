"""The background thread of one process: it agrees with those of the other ranks on what is ready,
fuses it, and runs it over libeccl.
"""

import ctypes
import dataclasses
import logging
import threading
import time
from collections.abc import Callable

import torch

from regatta.eccl import Communicator, EcclError
from regatta.hvd.environment import Placement, Settings
from regatta.hvd.timeline import Timeline
from regatta.hvd.torch import execute
from regatta.hvd.torch.errors import HorovodInternalError
from regatta.hvd.torch.requests import Ready, Request, Table, decode, encode

__all__ = ["Engine", "Entry"]

_log = logging.getLogger("regatta.hvd")
# With nothing submitted anywhere the ranks meet this seldom; a submission ends the pause at home,
# and the others are at most this late.
_IDLE_PAUSE = 0.01
_IDLE_GROWTH = 1.5


@dataclasses.dataclass
class Entry:
    """A submission of this rank: its tensors, and what becomes of them."""

    request: Request
    inputs: list[torch.Tensor]
    # Where results of an in-place operation go; None: new tensors are made.
    outputs: list[torch.Tensor] | None = None
    results: list[torch.Tensor] = dataclasses.field(default_factory=list)
    error: BaseException | None = None
    done: threading.Event = dataclasses.field(default_factory=threading.Event)

    def finish(self, error: BaseException | None = None) -> None:
        self.error = error
        self.done.set()


class Engine:
    """Owns the communicator and the thread. Submitting is thread-safe."""

    def __init__(
        self,
        communicator: Communicator,
        placement: Placement,
        settings: Settings,
        timeline: Timeline,
    ) -> None:
        self._communicator = communicator
        self._placement = placement
        self._settings = settings
        self.timeline = timeline
        self._condition = threading.Condition()
        self._submitted: list[Entry] = []
        self._waiting: dict[str, Entry] = {}  # by name, from submission to completion
        self._leaving = False
        self._ended: HorovodInternalError | None = None
        self._table = Table(placement.size)
        self._next_stall_check = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="regatta-hvd", daemon=True)
        self._thread.start()

    @property
    def communicator(self) -> Communicator:
        return self._communicator

    def submit(self, entry: Entry) -> Entry:
        """Hand over; `Entry.done` is set when the outcome is known."""
        with self._condition:
            if self._ended is not None:
                raise HorovodInternalError(str(self._ended))
            name = entry.request.name
            if name in self._waiting:
                raise ValueError(
                    f'a collective named "{name}" is still in progress on this rank; '
                    "names must differ until synchronize()"
                )
            self._waiting[name] = entry
            self._submitted.append(entry)
            self._condition.notify()
        return entry

    def shutdown(self) -> None:
        """Leave together: the other ranks' engines end, too."""
        with self._condition:
            self._leaving = True
            self._condition.notify()
        self._thread.join()

    # --- the background thread ---

    def _run(self) -> None:
        error: HorovodInternalError
        try:
            reason = self._cycle_until_someone_leaves()
            error = HorovodInternalError(reason)
            self._close(self._communicator.close)
        except EcclError as failed:
            error = HorovodInternalError(str(failed))
            self._close(self._communicator.abort)
        except Exception as failed:
            _log.exception("the background thread failed")
            error = HorovodInternalError(f"the background thread failed: {failed!r}")
            self._close(self._communicator.abort)
        with self._condition:
            self._ended = error
            waiting, self._waiting = self._waiting, {}
            self._submitted = []
        for entry in waiting.values():
            entry.finish(HorovodInternalError(str(error)))

    @staticmethod
    def _close(leave: Callable[[], None]) -> None:
        try:
            leave()
        except EcclError as failed:
            _log.warning("leaving the communicator failed: %s", failed)

    def _cycle_until_someone_leaves(self) -> str:
        pause = self._settings.cycle_time
        while True:
            entries, leaving = self._collect(pause)
            failure = self._stall_failure()
            everyones = self._gather(encode([entry.request for entry in entries], leaving, failure))
            left: list[int] = []
            failures: list[str] = []
            for rank, data in enumerate(everyones):
                requests, leaves, failed = decode(data)
                for request in requests:
                    self._table.add(rank, request)
                if leaves:
                    left.append(rank)
                if failed:
                    failures.append(failed)
            self._execute(self._table.take_ready())
            if failures:
                return failures[0]
            if left:
                ranks = ", ".join(str(rank) for rank in left)
                return f"hvd.shutdown() was called, or the program ended, on rank {ranks}"
            busy = any(everyones)
            pause = (
                self._settings.cycle_time
                if busy
                else min(
                    max(pause, 0.0005) * _IDLE_GROWTH, max(_IDLE_PAUSE, self._settings.cycle_time)
                )
            )

    def _collect(self, pause: float) -> tuple[list[Entry], bool]:
        with self._condition:
            if not self._submitted and not self._leaving:
                self._condition.wait(pause)
            fresh = bool(self._submitted)
        # Give tensors that follow at once the time to come into the same fusion buffer.
        if fresh and self._settings.cycle_time > 0:
            time.sleep(self._settings.cycle_time)
        with self._condition:
            entries, self._submitted = self._submitted, []
            return entries, self._leaving

    def _gather(self, mine: bytes) -> list[bytes]:
        size = self._placement.size
        lengths = torch.zeros(size, dtype=torch.int64)
        self._communicator.all_gather(torch.tensor([len(mine)]), lengths)
        counts = lengths.tolist()
        if sum(counts) == 0:
            return [b""] * size
        send = (
            torch.frombuffer(bytearray(mine), dtype=torch.uint8)
            if mine
            else torch.empty(0, dtype=torch.uint8)
        )
        received = torch.empty(sum(counts), dtype=torch.uint8)
        self._communicator.all_gather(send, received, counts)
        whole = ctypes.string_at(received.data_ptr(), received.numel())
        parts, at = [], 0
        for count in counts:
            parts.append(whole[at : at + count])
            at += count
        return parts

    def _stall_failure(self) -> str:
        """Warn, on rank 0, of names that wait for ranks; the text when that is to end the job."""
        warning, limit = self._settings.stall_warning, self._settings.stall_shutdown
        now = time.monotonic()
        if self._placement.rank != 0 or warning <= 0 or now < self._next_stall_check:
            return ""
        self._next_stall_check = now + min(warning, 1.0) / 2
        for name, ranks, news in self._table.missing(warning):
            if news:
                _log.warning(
                    'tensor "%s" has waited %.0f s for rank %s, which did not submit it; '
                    "the ranks' programs may have gone different ways",
                    name,
                    warning,
                    ", ".join(str(rank) for rank in ranks),
                )
        if limit > 0:
            for name, ranks, _ in self._table.missing(limit):
                return (
                    f'tensor "{name}" has waited longer than {limit:g} s '
                    f"(HOROVOD_STALL_SHUTDOWN_TIME_SECONDS) for rank "
                    f"{', '.join(str(rank) for rank in ranks)}"
                )
        return ""

    def _execute(self, ready: list[Ready]) -> None:
        batch: list[Entry] = []
        batch_bytes = 0

        def flush() -> None:
            nonlocal batch, batch_bytes
            if batch:
                self._perform(batch, [])
            batch, batch_bytes = [], 0

        for item in ready:
            requests = item.requests
            name = requests[0].name
            with self._condition:
                entry = self._waiting.get(name)
            if item.error:
                # A rank that has not submitted it yet is told when it does.
                if entry is not None and self._placement.rank in item.ranks:
                    self._complete(entry, HorovodInternalError(item.error))
                continue
            assert entry is not None, f"{name} is ready, but this rank has not submitted it"
            if requests[0].kind != "allreduce":
                flush()
                self._perform([entry], requests)
                continue
            size = execute.byte_count(entry.inputs)
            fits = batch_bytes + size <= self._settings.fusion_threshold and (
                not batch or execute.may_fuse(batch[0].request, entry.request)
            )
            if not fits:
                flush()
            batch.append(entry)
            batch_bytes += size
        flush()

    def _perform(self, entries: list[Entry], requests: list[Request]) -> None:
        begin = time.monotonic()
        try:
            if entries[0].request.kind == "allreduce":
                execute.all_reduce(self._communicator, entries)
            else:
                execute.other(self._communicator, entries[0], requests, self._placement)
        except EcclError as failed:
            names = ", ".join(entry.request.name for entry in entries[:4])
            raise EcclError(
                failed.result, f'{entries[0].request.kind} of "{names}": {failed}'
            ) from failed
        self.timeline.event(
            entries[0].request.kind,
            begin,
            time.monotonic(),
            tensors=[entry.request.name for entry in entries],
        )
        for entry in entries:
            self._complete(entry, None)

    def _complete(self, entry: Entry, error: BaseException | None) -> None:
        with self._condition:
            del self._waiting[entry.request.name]
        entry.finish(error)
