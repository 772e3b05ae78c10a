"""Which hosts an elastic job may use now, and which of their slots have failed."""

import random
import subprocess
import time
from collections.abc import Callable

from regatta.hvd.elastic.membership import Place
from regatta.hvd.run.hosts import Host, parse_host

__all__ = ["Blacklist", "FixedHosts", "HostScript"]


class HostScript:
    """Asks a program, which prints ``host`` or ``host:slots``, one a line."""

    def __init__(self, path: str, slots_per_host: int) -> None:
        self._path = path
        self._slots_per_host = slots_per_host

    def places(self) -> list[Place]:
        """Return all places there are now; RuntimeError when the program fails."""
        done = subprocess.run([self._path], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(
                f"{self._path} ended with code {done.returncode}: {done.stderr.strip()}"
            )
        lines = [line.strip() for line in done.stdout.splitlines()]
        return _places([parse_host(line, self._slots_per_host) for line in lines if line])


class FixedHosts:
    """Hosts that never change."""

    def __init__(self, hosts: list[Host]) -> None:
        self._places = _places(hosts)

    def places(self) -> list[Place]:
        """Return all places."""
        return self._places


def _places(hosts: list[Host]) -> list[Place]:
    return [Place(host.name, index) for host in hosts for index in range(host.slots)]


class Blacklist:
    """Places whose workers have failed: for good, or for a time that doubles with each failure.

    Parameters
    ----------
    cooldown : (float, float), optional
        Shortest and longest time in seconds.
    """

    def __init__(
        self,
        cooldown: tuple[float, float] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cooldown = cooldown
        self._clock = clock
        self._until: dict[Place, float] = {}
        self._failures: dict[Place, int] = {}

    def add(self, place: Place) -> None:
        """Note that a worker failed here."""
        failures = self._failures[place] = self._failures.get(place, 0) + 1
        if self._cooldown is None:
            self._until[place] = float("inf")
            return
        low, high = self._cooldown
        pause = min(low * 2 ** (failures - 1), high)
        # Places that failed together do not come back together.
        self._until[place] = self._clock() + min(pause * random.uniform(1.0, 1.1), high)

    def allowed(self, places: list[Place]) -> list[Place]:
        """Return those that may be used now."""
        now = self._clock()
        return [place for place in places if self._until.get(place, 0.0) <= now]

    def hopeless(self, places: list[Place], needed: int) -> bool:
        """Tell whether too few of these places will ever be allowed again."""
        possible = sum(self._until.get(place, 0.0) != float("inf") for place in places)
        return possible < needed
