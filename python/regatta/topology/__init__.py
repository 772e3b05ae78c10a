"""How machines are wired, and which rank should run on which card.

A thin, typed cover of libeccl_topo's C API (include/regatta/eccl_topo.h).

Examples
--------
>>> from regatta import topology
>>> machine = topology.load("machine.xml")
>>> machine.pair(machine.accelerators[0], machine.accelerators[1]).distance.name
'NVL'
>>> mapping = machine.map("tp=8,dp=2")
>>> mapping.places[9].host, mapping.places[9].device
(1, 1)
"""

from regatta.topology._mapping import Dimension, DimensionCost, Mapping, Pattern, Place
from regatta.topology._topology import Topology, detect, join, load, version
from regatta.topology._types import Distance, Format, Kind, Pair, Part, Result, TopologyError

__all__ = [
    "Dimension",
    "DimensionCost",
    "Distance",
    "Format",
    "Kind",
    "Mapping",
    "Pair",
    "Part",
    "Pattern",
    "Place",
    "Result",
    "Topology",
    "TopologyError",
    "detect",
    "join",
    "load",
    "version",
]
