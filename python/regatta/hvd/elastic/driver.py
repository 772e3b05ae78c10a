"""Runs an elastic job: starts workers where hosts are, and brings those that live together."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from regatta.hvd.elastic import notices
from regatta.hvd.elastic.discovery import Blacklist
from regatta.hvd.elastic.membership import Membership, Place
from regatta.hvd.elastic.store import Store
from regatta.hvd.elastic.worker import STORE, WORKER
from regatta.hvd.run.processes import Output, Process

__all__ = ["Driver", "Hosts"]

_log = logging.getLogger("regatta.hvd")
_GRACE = 10.0


class Hosts(Protocol):
    def places(self) -> list[Place]:
        """Return all places there are now."""


class Driver:
    """One elastic job.

    Parameters
    ----------
    interval : float
        Seconds between two looks at the hosts.
    patience : float
        Seconds that the job waits for ``min_np`` places.
    """

    def __init__(
        self,
        command: Sequence[str],
        hosts: Hosts,
        min_np: int,
        max_np: int,
        environment: Mapping[str, str],
        output: Output,
        blacklist: Blacklist,
        interval: float = 1.0,
        patience: float = 600.0,
    ) -> None:
        self._command = command
        self._hosts = hosts
        self._min_np = min_np
        self._output = output
        self._blacklist = blacklist
        self._interval = interval
        self._patience = patience
        self._token = secrets.token_hex(16)
        self._environment = {**os.environ, **environment, "ECCL_JOB_TOKEN": self._token}
        self._condition = threading.Condition()
        self._membership = Membership(min_np, max_np)
        self._processes: dict[str, Process] = {}
        self._places: list[Place] = []
        self._succeeded = False
        self._code = 0  # of the failure that ended the job
        self._store = Store(self._token, self._joined)

    def run(self) -> int:
        """Run until the workers are done; 0, or an exit code."""
        try:
            return self._loop()
        finally:
            with self._condition:
                processes = list(self._processes.values())
            for process in processes:
                process.stop(_GRACE)
            self._store.close()

    def _loop(self) -> int:
        enough_until = time.monotonic() + self._patience
        while True:
            places = self._look()
            with self._condition:
                if places is not None and not self._succeeded:
                    self._adapt(places)
                self._meet()
                if not self._membership.members and (self._succeeded or self._code):
                    return self._code
                if self._membership.enough() or self._succeeded:
                    enough_until = time.monotonic() + self._patience
                elif self._blacklist.hopeless(self._places, self._min_np) or (
                    time.monotonic() > enough_until
                ):
                    _log.error(
                        "only %d places can be used, and the job needs %d",
                        len(self._blacklist.allowed(self._places)),
                        self._min_np,
                    )
                    return self._code or 1
                self._condition.wait(self._interval)

    def _look(self) -> list[Place] | None:
        try:
            return self._hosts.places()
        except (RuntimeError, OSError, ValueError) as failed:
            _log.warning("the hosts are taken to be as before: %s", failed)
            return None

    def _adapt(self, places: list[Place]) -> None:
        """Start workers on new places, and tell of places that are gone."""
        self._places = places
        leaving = self._membership.withdraw(places)
        if leaving:
            self._announce(notices.REMOVED)
            self._dismiss(leaving)
        allowed = self._blacklist.allowed(places)
        if not self._membership.members and len(allowed) < self._min_np:
            return  # the job cannot begin yet
        for name, member in self._membership.start(allowed).items():
            told = {
                STORE: self._store.address,
                WORKER: name,
                "HOROVOD_ELASTIC": "1",
                "HOROVOD_HOSTNAME": member.place.host,
            }
            label = f"{member.place.host}:{member.place.index}"

            def on_exit(code: int, name: str = name) -> None:
                self._ended(name, code)

            self._processes[name] = Process(
                label, self._command, self._environment | told, self._output, on_exit
            )

    def _announce(self, update: int) -> None:
        for name in self._membership.running():
            self._store.send(name, type="hosts", timestamp=time.monotonic(), update=update)

    def _dismiss(self, names: Sequence[str]) -> None:
        """Send those away that wait for a plan."""
        for name in names:
            if self._membership.members[name].waiting:
                self._store.send(name, type="answer", leave=True)

    def _joined(self, name: str, needs_sync: bool) -> None:
        with self._condition:
            member = self._membership.members.get(name)
            if member is None or member.leaving or self._succeeded:
                self._store.send(name, type="answer", leave=True)
                return
            member.waiting, member.needs_sync = True, needs_sync
            if member.rank is None and self._membership.running():
                # Only now: until it is here the others have better things to do than to wait.
                self._announce(notices.ADDED)
            self._condition.notify()

    def _meet(self) -> None:
        parts = self._membership.plan()
        if parts is None:
            return
        self._store.begin(self._membership.generation)
        for name, part in parts.items():
            self._store.send(name, type="answer", **part)

    def _ended(self, name: str, code: int) -> None:
        with self._condition:
            member = self._membership.members.pop(name)
            del self._processes[name]
            if code == 0 and not member.leaving:
                if not self._succeeded:
                    self._succeeded, self._code = True, 0  # earlier failures were recovered from
                    self._dismiss(list(self._membership.members))
            elif code != 0 and not member.leaving:
                _log.warning("a worker on %s ended with code %d", member.place.host, code)
                self._blacklist.add(member.place)
                if not (self._succeeded and self._code):
                    self._code = code if code > 0 else 128 - code
            if member.rank is not None and not member.leaving:
                self._store.spoil()  # who waits for this one's unique id waits no more
            self._condition.notify()
