"""Which rank of a job should run on which card."""

import enum
import functools
import json
import weakref
from dataclasses import dataclass
from typing import Any

from regatta.topology import _library
from regatta.topology._types import Format, get, known, take_text, text_of


class Pattern(enum.IntEnum):
    """What the ranks of one group do with each other."""

    ALL_REDUCE = 0
    ALL_GATHER = 1
    ALL_TO_ALL = 2
    POINT_TO_POINT = 3


@dataclass(frozen=True)
class Dimension:
    """One dimension of a parallel layout and what it sends in a training step.

    Attributes
    ----------
    ranks
        In one group.
    bytes
        Of one call: the whole buffer, as a collective's count says it.
    calls
        In a step.
    """

    name: str
    ranks: int
    pattern: Pattern
    bytes: float
    calls: float = 1


@dataclass(frozen=True)
class Place:
    """Where a rank runs.

    Attributes
    ----------
    host
        Counted from 0; copies of a host come after each other.
    device
        The system's number of the accelerator.
    slot
        The card's number over all hosts: where rank r is in the naive order.
    rail
        Of the nearest NIC; None where it is unknown.
    """

    host: int
    host_name: str
    device: int
    slot: int
    rail: int | None


@dataclass(frozen=True)
class DimensionCost:
    """Where the groups of a dimension are, and what they cost in a step (us, by the model)."""

    name: str
    ranks: int
    where: str
    cost_us: float
    naive_cost_us: float


class Mapping:
    """Ranks on cards: what was chosen, why, and what the naive order would have cost.

    Attributes
    ----------
    ranks
        How many there are.
    order
        Names of dimensions, the one whose ranks are nearest to each other first.
    why
        A sentence.
    cost_us, naive_cost_us
        Of a step's communication by the model, as chosen and with rank r on card r.
    """

    def __init__(self, handle: int) -> None:
        self._library = _library.load()
        self._handle = handle
        weakref.finalize(self, self._library.eccl_topo_mapping_destroy, handle)
        info = get(self._library.eccl_topo_mapping_info, _library.MappingStructure, handle)
        self.ranks: int = info.ranks
        self.order: list[str] = [name for name in text_of(info.order).split(",") if name]
        self.why: str = text_of(info.why)
        self.cost_us: float = info.cost_us
        self.naive_cost_us: float = info.naive_cost_us
        self._dimensions: int = info.dimensions

    @functools.cached_property
    def places(self) -> list[Place]:
        """Where each rank runs."""
        return [self._place(rank) for rank in range(self.ranks)]

    def _place(self, rank: int) -> Place:
        raw = get(
            self._library.eccl_topo_mapping_place, _library.PlaceStructure, self._handle, rank
        )
        return Place(raw.host, text_of(raw.host_name), raw.device, raw.slot, known(raw.rail))

    @functools.cached_property
    def dimensions(self) -> list[DimensionCost]:
        """What each dimension costs, in the layout's order."""
        return [self._dimension(n) for n in range(self._dimensions)]

    def _dimension(self, n: int) -> DimensionCost:
        function = self._library.eccl_topo_mapping_dimension
        raw = get(function, _library.DimensionCostStructure, self._handle, n)
        return DimensionCost(
            text_of(raw.name), raw.ranks, text_of(raw.where), raw.cost_us, raw.naive_cost_us
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document "Rank mapping" of docs/formats/topology.md."""
        export = self._library.eccl_topo_mapping_export
        return json.loads(take_text(export, self._handle, Format.JSON))

    def __str__(self) -> str:
        return take_text(self._library.eccl_topo_mapping_export, self._handle, Format.TEXT)
