"""Who belongs to an elastic job, and which rank each one is: decisions without processes."""

import dataclasses
import itertools

__all__ = ["Member", "Membership", "Place"]


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """Where one worker can run: the n-th slot of a host."""

    host: str
    index: int


@dataclasses.dataclass
class Member:
    """A worker that lives."""

    place: Place
    rank: int | None = None  # in the generation that runs, or ran last
    waiting: bool = False  # has asked for the next generation
    needs_sync: bool = True
    leaving: bool = False  # its place was taken away


class Membership:
    """Not thread-safe.

    Parameters
    ----------
    min_np, max_np : int
        Fewest and most ranks the job runs with.
    """

    def __init__(self, min_np: int, max_np: int) -> None:
        self._min_np = min_np
        self._max_np = max_np
        self._numbers = itertools.count(1)
        self.generation = 0
        self.members: dict[str, Member] = {}

    def start(self, places: list[Place]) -> dict[str, Member]:
        """Make members for free places, up to ``max_np`` in all; return the new ones."""
        taken = {member.place for member in self.members.values()}
        room = self._max_np - sum(not member.leaving for member in self.members.values())
        free = [place for place in places if place not in taken][: max(room, 0)]
        made = {f"worker-{next(self._numbers)}": Member(place) for place in free}
        self.members |= made
        return made

    def withdraw(self, places: list[Place]) -> list[str]:
        """Let members leave whose place is not among these; return who does from now on."""
        leaving = [
            name
            for name, member in self.members.items()
            if member.place not in places and not member.leaving
        ]
        for name in leaving:
            self.members[name].leaving = True
        return leaving

    def running(self) -> list[str]:
        """Return the members of a generation that goes on."""
        return [
            name
            for name, member in self.members.items()
            if member.rank is not None and not member.waiting
        ]

    def enough(self) -> bool:
        """Tell whether there are members for a generation."""
        return sum(not member.leaving for member in self.members.values()) >= self._min_np

    def plan(self) -> dict[str, dict[str, int | bool]] | None:
        """Begin a generation when all members wait for it; return each one's part.

        Ranks that were there before come first, so that rank 0 has the job's state, and ranks of
        one host are neighbours.
        """
        staying = {name: one for name, one in self.members.items() if not one.leaving}
        if not self.enough() or not all(member.waiting for member in staying.values()):
            return None
        order = sorted(
            staying,
            key=lambda name: (
                staying[name].rank is None,
                staying[name].rank or 0,
                staying[name].place,
            ),
        )
        hosts: dict[str, list[str]] = {}
        for name in order:
            hosts.setdefault(staying[name].place.host, []).append(name)
        sync = any(member.needs_sync or member.rank is None for member in staying.values())
        self.generation += 1
        parts: dict[str, dict[str, int | bool]] = {}
        for cross_rank, names in enumerate(hosts.values()):
            for local_rank, name in enumerate(names):
                parts[name] = {
                    "generation": self.generation,
                    "rank": len(parts),
                    "size": len(order),
                    "local_rank": local_rank,
                    "local_size": len(names),
                    "cross_rank": cross_rank,
                    "cross_size": len(hosts),
                    "sync": sync,
                }
        for name, part in parts.items():
            staying[name].rank, staying[name].waiting = int(part["rank"]), False
        return parts
