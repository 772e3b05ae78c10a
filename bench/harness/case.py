"""What an area registers: cases, each measured by us and by peers, giving one or more figures."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal


class Missing(Exception):  # noqa: N818 - an answer, not a failure
    """Raised by a contender that cannot be installed or run here; the text says why."""


class Wrong(Exception):  # noqa: N818
    """Raised by a contender whose result is not right: its time means nothing."""


@dataclasses.dataclass(frozen=True)
class Must:
    """A bound that the figure has to keep: on our own value, or on the ratio to the best peer.

    `floors` of the figure's floor may come on top of the limit: what no program can avoid.
    """

    limit: float
    of: Literal["value", "ratio"] = "value"
    floors: int = 0


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a measurement. `key` finds it in what a contender returns."""

    key: str
    figure: str  # "CPU a step"
    case: str  # "chain of 1,000 no-op steps"
    unit: str  # "ms"
    better: Literal["lower", "higher"] = "lower"
    must: Must | None = None
    floor: Callable[[], float] | None = None  # what the machine itself costs, in the same unit
    against: frozenset[str] | None = None  # peers that it is compared with; all when left out


@dataclasses.dataclass(frozen=True)
class Contender:
    """Somebody who can be measured.

    `prepare` runs once, before any round, and may raise Missing. `measure` runs once a round,
    checks its own result (raising Wrong), and returns a value for each figure key it can give.
    """

    name: str
    measure: Callable[[], Mapping[str, float]]
    prepare: Callable[[], None] = lambda: None
    version: Callable[[], str] = lambda: ""
    # After the last round: how it did what it did, by figure key ("ring, shm").
    how: Callable[[], Mapping[str, str]] = dict


@dataclasses.dataclass(frozen=True)
class Case:
    figures: list[Figure]
    ours: Contender
    peers: list[Contender] = dataclasses.field(default_factory=list)
    rounds: int = 5
