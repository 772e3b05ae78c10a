"""The background thread of one process: it agrees with those of the other ranks on what is ready,
fuses it, and runs it over libeccl.
"""

import logging
import os
import threading
import time

import numpy as np

from regatta.eccl import Communicator, EcclError
from regatta.hvd.autotune import Autotuner
from regatta.hvd.cache import Cache
from regatta.hvd.entry import Entry, backend
from regatta.hvd.environment import Placement, Settings
from regatta.hvd.errors import HorovodInternalError
from regatta.hvd.feedback import Feedback
from regatta.hvd.negotiation import INVALID, NO, YES, Negotiator
from regatta.hvd.process_sets import Registry
from regatta.hvd.requests import Message
from regatta.hvd.schedule import Limits, Slot, enqueue, take_slot
from regatta.hvd.stall import StallCheck
from regatta.hvd.table import Ready, Table, joinable
from regatta.hvd.timeline import Timeline

__all__ = ["Engine"]

_log = logging.getLogger("regatta.hvd")
# With nothing submitted anywhere the ranks meet this seldom; a submission ends the pause at home,
# and the others are at most this late.
_IDLE_PAUSE = 0.01
_GROWTH = 1.5
_FIRST_PAUSE = 0.00005
_DEFAULT_CYCLE = 0.001


class Engine:
    """Owns the communicators and the thread. Submitting and waiting are thread-safe."""

    def __init__(
        self,
        communicator: Communicator,
        placement: Placement,
        settings: Settings,
        timeline: Timeline,
    ) -> None:
        self._placement = placement
        self._settings = settings
        self.timeline = timeline
        self._cycle_time = settings.cycle_time
        self._limits = Limits(settings.fusion_threshold, settings.partition, settings.fuse_groups)
        lock = threading.RLock()
        self._condition = threading.Condition(lock)  # for the background thread
        self._room = threading.Condition(lock)  # for those who would submit too much
        self._limit = settings.max_pending
        self._submitted: list[Entry] = []
        self._waiting: dict[tuple[int, str], Entry] = {}  # from submission to completion
        self._waiters = 0  # threads that can do nothing else
        self._leaving = False
        self._ended: HorovodInternalError | None = None
        # From here on the background thread's own.
        self._negotiator = Negotiator(communicator)
        algorithm = "hierarchical" if settings.hierarchical else None
        self.sets = Registry(communicator, placement.rank, placement.size, algorithm)
        self._table = Table(placement.size, self.sets.members)
        self._cache = Cache(settings.cache_capacity)
        self._feedback = Feedback()
        self._base: np.ndarray | None = None  # votes without submissions of this rank
        self._hits: dict[int, Entry] = {}  # submitted and cached, by slot
        self._fresh: list[Entry] = []  # to be described to the other ranks
        self._queue: list[Ready] = []
        self._stall = StallCheck(settings.stall_warning, settings.stall_shutdown)
        tuned = settings.autotune and placement.rank == 0
        self.tuner = Autotuner(settings) if tuned else None
        self._thread = threading.Thread(target=self._run, name="regatta-hvd", daemon=True)
        self._thread.start()

    def submit(self, entry: Entry) -> Entry:
        """Hand over.

        With `Settings.max_pending` collectives under way it waits until one of them is over: a
        program that submits faster than the ranks can reduce is slowed down, and its memory is
        bounded. Barriers, joins and process sets never wait.

        Raises
        ------
        ValueError
            When a collective of that name is under way.
        HorovodInternalError
            When the engine has ended; the text says why.
        """
        key = entry.request.key
        with self._condition:
            if entry.request.backend:
                self._wait_for_room()
            if self._ended is not None:
                raise HorovodInternalError(str(self._ended))
            if key in self._waiting:
                raise ValueError(
                    f'a collective named "{key[1]}" is still in progress on this rank; '
                    "names must differ until synchronize()"
                )
            self._waiting[key] = entry
            self._submitted.append(entry)
            self._condition.notify()
        return entry

    def _wait_for_room(self) -> None:
        if len(self._waiting) < self._limit:
            return
        # As in wait(): this thread submits nothing more, so the cycle need not wait for it.
        self._waiters += 1
        self._condition.notify()
        began = time.monotonic()
        warned = not self._settings.stall_warning
        while len(self._waiting) >= self._limit and self._ended is None:
            self._room.wait(None if warned else self._settings.stall_warning)
            if not warned and time.monotonic() - began >= self._settings.stall_warning:
                warned = True
                _log.warning(
                    "a submission has waited %.0f s because %d collectives are under way "
                    "(REGATTA_HVD_MAX_PENDING); if the ranks submit in orders that differ by more "
                    "than that, they wait for each other",
                    time.monotonic() - began,
                    self._limit,
                )
        self._waiters -= 1

    def wait(self, entry: Entry) -> None:
        """Return when the entry's outcome is known."""
        if entry.done():
            return
        # Whoever waits submits nothing more: the background thread need not wait for company.
        with self._condition:
            self._waiters += 1
            self._condition.notify()
        entry.wait()
        with self._condition:
            self._waiters -= 1

    def tuned(self) -> tuple[int, float]:
        """Return the fusion threshold in bytes and the cycle time in seconds now in use."""
        return self._limits.fusion, self._cycle_time

    def shutdown(self) -> None:
        """Leave together: the other ranks' engines end, too."""
        with self._condition:
            self._leaving = True
            self._condition.notify()
        self._thread.join()

    # --- the background thread ---

    def _run(self) -> None:
        error: HorovodInternalError
        abort = True
        try:
            self._pin()
            error = HorovodInternalError(self._cycle_until_the_end())
            abort = False
        except EcclError as failed:
            error = HorovodInternalError(str(failed))
        except Exception as failed:
            _log.exception("the background thread failed")
            error = HorovodInternalError(f"the background thread failed: {failed!r}")
        try:
            self.sets.leave(abort)
        except EcclError as failed:
            _log.warning("leaving the communicator failed: %s", failed)
        if self.tuner is not None:
            self.tuner.close()
        with self._condition:
            self._ended = error
            waiting, self._waiting = self._waiting, {}
            self._submitted = []
            self._room.notify_all()
        for entry in waiting.values():
            entry.finish(HorovodInternalError(str(error)))

    def _pin(self) -> None:
        cores, local_rank = self._settings.affinity, self._placement.local_rank or 0
        if cores:
            if local_rank >= len(cores):
                raise ValueError(
                    f"HOROVOD_THREAD_AFFINITY names {len(cores)} cores, but this is local rank "
                    f"{local_rank}"
                )
            os.sched_setaffinity(0, {cores[local_rank]})  # 0 is the calling thread

    def _cycle_until_the_end(self) -> str:
        pause = self._cycle_time
        while True:
            leaving = self._collect(pause)
            self.timeline.cycle()
            messages = self._negotiate(leaving)
            done = self._execute()
            reason = self._reason_to_end(messages)
            if reason:
                while self._queue:  # what all ranks have agreed on is still done
                    self._execute()
                return reason
            pause = self._next_pause(pause, done or bool(messages))

    def _next_pause(self, pause: float, progress: bool) -> float:
        if self._queue:
            return 0.0
        if self._waiting:
            # The other ranks end their pauses when they submit, and then find this one waiting.
            limit = self._cycle_time or _DEFAULT_CYCLE
            return 0.0 if progress else min(max(pause * _GROWTH, _FIRST_PAUSE), limit)
        if progress:
            return self._cycle_time or _DEFAULT_CYCLE
        limit = max(_IDLE_PAUSE, self._cycle_time)
        return min(max(pause, _DEFAULT_CYCLE / 2) * _GROWTH, limit)

    def _collect(self, pause: float) -> bool:
        """Take over what was submitted; tell whether this rank leaves."""
        with self._condition:
            if pause > 0 and not self._submitted and not self._leaving:
                self._condition.wait(pause)
            if self._submitted and not self._queue:
                # Tensors that follow at once get the time to come into the same message.
                until = time.monotonic() + self._cycle_time
                while not (self._waiters or self._leaving):
                    left = until - time.monotonic()
                    if left <= 0:
                        break
                    self._condition.wait(left)
            entries, self._submitted = self._submitted, []
            leaving = self._leaving
        for entry in entries:
            slot = self._cache.find(entry.request)
            if slot is None:
                self._fresh.append(entry)
            else:
                self._hits[slot] = entry
        return leaving

    def _negotiate(self, leaving: bool) -> list[Message]:
        """Bring what is ready on all ranks into the queue; return the messages, if there were."""
        failure, tuning = "", None
        if self._placement.rank == 0:
            if self._stall.due():
                failure = self._stall.look(self._table)
            tuning = self.tuner.proposal() if self.tuner is not None else None
        now = time.monotonic()
        mine = Message(
            tuple((entry.request, round(now - entry.since, 3)) for entry in self._fresh),
            leaving,
            failure,
            tuning,
        )
        self._fresh = []
        width = self._cache.width
        ballot = self._fill_ballot(width, now)
        quiet = self._negotiator.vote(width, mine.empty())
        ready = self._count(ballot)
        messages: list[Message] = []
        if not quiet:
            messages = self._negotiator.exchange(mine)
            ready += self._read(messages)
        if ready:
            enqueue(self._queue, self._without_errors(ready))
        return messages

    def _fill_ballot(self, width: int, now: float) -> np.ndarray:
        ballot = self._negotiator.ballot(width)
        if self._base is None:
            self._base = self._votes_without_submissions(width)
        ballot[:] = self._base
        warning = self._stall.warning
        for slot, entry in self._hits.items():
            known = self._cache.requests(slot)
            same = known is not None and known[self._placement.rank] == entry.request
            # A tensor that waits too long is described again, so that rank 0 can name who lacks it.
            late = 0 < warning < now - entry.since
            ballot[slot] = YES if same and not late else INVALID
        return ballot

    def _votes_without_submissions(self, width: int) -> np.ndarray:
        rank, joined = self._placement.rank, self._table.joined
        base = np.full(width, NO, np.uint8)
        for slot in range(width):
            requests = self._cache.requests(slot)
            if requests is None:
                continue
            if rank not in requests:
                base[slot] = YES  # not this rank's business
            elif rank in joined and not all(member in joined for member in requests):
                possible = joinable(next(iter(requests.values())))
                base[slot] = YES if possible else INVALID
        return base

    def _count(self, ballot: np.ndarray) -> list[Ready]:
        """Act on the votes: drop what is invalid, return what all are ready for."""
        ready = [self._cache.use(slot) for slot in np.flatnonzero(ballot == YES).tolist()]
        for item in ready:
            self._hits.pop(self._cache.find(item.request), None)  # type: ignore[arg-type]
        for slot in np.flatnonzero(ballot == INVALID).tolist():
            self._forget(slot)
        return ready

    def _forget(self, slot: int) -> None:
        self._cache.drop(slot)
        self._base = None
        self._describe_again(slot)

    def _describe_again(self, slot: int) -> None:
        entry = self._hits.pop(slot, None)
        if entry is not None:
            self._fresh.append(entry)

    def _read(self, messages: list[Message]) -> list[Ready]:
        """Enter all ranks' messages into the table, and learn from what gets ready."""
        joined_before = len(self._table.joined)
        for rank, message in enumerate(messages):
            for request, age in message.requests:
                self._table.add(rank, request, age)
        tuning = messages[0].tuning
        if tuning is not None:
            self._limits.fusion, self._cycle_time = tuning
        ready = self._table.take_ready()
        if len(self._table.joined) != joined_before:
            self._base = None
        for item in ready:
            request = item.request
            members = self.sets.members(request.process_set) or ()
            complete = not item.error and len(item.requests) == len(members)
            if complete and request.backend and request.cacheable:
                self._remember(item)
        return ready

    def _remember(self, item: Ready) -> None:
        # A rank that described the tensor before another made it known may find it cached by now.
        known = self._cache.find(item.request)
        if known is not None:
            self._forget(known)
        evicted = self._cache.insert(item.requests)
        if evicted is not None:
            self._describe_again(evicted)
        self._base = None

    def _without_errors(self, ready: list[Ready]) -> list[Ready]:
        for item in ready:
            # A rank that has not submitted it yet is told when it does.
            if item.error and self._placement.rank in item.requests:
                self._complete(item.request.key, HorovodInternalError(item.error))
        return [item for item in ready if not item.error]

    def _reason_to_end(self, messages: list[Message]) -> str:
        for message in messages:
            if message.failure:
                return message.failure
        left = [str(rank) for rank, message in enumerate(messages) if message.leaving]
        if left:
            return f"hvd.shutdown() was called, or the program ended, on rank {', '.join(left)}"
        return ""

    def _execute(self) -> bool:
        """Run what is queued, up to one part's worth before the ranks talk again."""
        sent = 0
        began = bool(self._queue)
        while self._queue and (self._limits.partition == 0 or sent < self._limits.partition):
            slot = take_slot(self._queue, self._limits)
            sent += slot.byte_count
            self._perform(slot)
            if self.tuner is not None and slot.begin == 0:
                keys = [item.request.key for item in slot.items]
                self.tuner.observe(keys, sum(item.request.byte_count() for item in slot.items))
        return began

    def _perform(self, slot: Slot) -> None:
        request = slot.items[0].request
        members = self.sets.members(request.process_set)
        if members is None:
            self._fail_removed(slot)
            return
        if self._placement.rank not in members:
            return
        begin = time.monotonic()
        entries = [self._entry(item) for item in slot.items]
        try:
            if not request.backend:
                self._control(slot.items[0], entries[0])
            elif request.wire:
                self._reduce_compressed(entries[0])
            elif request.kind == "allreduce":
                communicator = self.sets.communicator(request.process_set)
                backend(request.backend).all_reduce(communicator, entries, slot.begin, slot.end)
            else:
                communicator = self.sets.communicator(request.process_set)
                item = slot.items[0]
                backend(request.backend).perform(communicator, entries[0], item.requests, members)
        except EcclError as failed:
            names = ", ".join(entry.request.name for entry in entries[:4])
            raise EcclError(failed.result, f'{request.kind} of "{names}": {failed}') from failed
        if self.timeline.on:
            self._record(slot, entries, begin)
        if slot.last:
            for item in slot.items:
                self._complete(item.request.key, None)

    def _reduce_compressed(self, entry: Entry) -> None:
        """Reduce large tensors approximately, each on its own, the others as ever."""
        request = entry.request
        communicator = self.sets.communicator(request.process_set)
        found = self._feedback.compressors(request)
        results: list[object] = [None] * len(found)
        exact = [index for index, compressor in enumerate(found) if compressor is None]
        if exact:
            rest = entry.part(exact)
            backend(request.backend).all_reduce(communicator, [rest], 0, None)
            for index, result in zip(exact, rest.results, strict=True):
                results[index] = result
        for index, compressor in enumerate(found):
            if compressor is not None:
                one = entry.part([index])
                backend(request.backend).all_reduce_compressed(communicator, one, compressor)
                results[index] = one.results[0]
        entry.results = results

    def _fail_removed(self, slot: Slot) -> None:
        for item in slot.items:
            if self._placement.rank in item.requests:
                text = f"process set {item.request.process_set} was removed"
                self._complete(item.request.key, HorovodInternalError(text))

    def _entry(self, item: Ready) -> Entry:
        with self._condition:
            entry = self._waiting.get(item.request.key)
        if entry is None:
            # This rank has joined. A tensor in parts needs the same zeros in each of them.
            entry = backend(item.request.backend).zeros(item.request)
            with self._condition:
                self._waiting[item.request.key] = entry
        return entry

    def _control(self, item: Ready, entry: Entry) -> None:
        request = item.request
        if request.kind == "join":
            # Entries of different ranks have different names: this is not a collective of one name.
            entry.results = [next(reversed(item.requests))]
        elif request.kind == "add_process_set":
            known = self.sets.number_of(request.splits)
            entry.results = [-1 if known is not None else self.sets.add(request.splits)]
        elif request.kind == "remove_process_set":
            known = self.sets.members(request.root) is not None
            if known:
                for slot in self._cache.slots_of(request.root):
                    self._forget(slot)
                self.sets.remove(request.root)
                self._feedback.forget(request.root)
            entry.results = [request.root if known else -1]

    def _record(self, slot: Slot, entries: list[Entry], begin: float) -> None:
        kind = slot.items[0].request.kind.upper()
        if slot.begin == 0:
            for entry in entries:
                self.timeline.event(
                    f"NEGOTIATE_{kind}", entry.since, begin, tensor=entry.request.name
                )
        names = [entry.request.name for entry in entries]
        details: dict[str, object] = {"tensors": names, "bytes": slot.byte_count}
        if slot.end is not None:
            details["elements"] = [slot.begin, slot.end]
        self.timeline.event(kind, begin, time.monotonic(), **details)

    def _complete(self, key: tuple[int, str], error: BaseException | None) -> None:
        with self._condition:
            entry = self._waiting.pop(key)
            self._room.notify()
        entry.finish(error)
