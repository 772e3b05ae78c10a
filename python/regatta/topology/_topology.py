"""One host or a cluster of them as a graph of parts."""

import ctypes
import functools
import json
import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from regatta.topology import _library
from regatta.topology._mapping import Dimension, Mapping
from regatta.topology._types import (
    Distance,
    Format,
    Kind,
    Pair,
    Part,
    Result,
    TopologyError,
    check,
    get,
    known,
    take_text,
    text_of,
)


def version() -> int:
    """Return the version of the loaded library: major * 10000 + minor * 100 + patch."""
    number = ctypes.c_int()
    check(_library.load().eccl_topo_version(ctypes.byref(number)))
    return number.value


def detect() -> "Topology":
    """Describe this machine.

    Returns
    -------
    Topology
        What hwloc, sysfs, NVML and cgroups say; what could not be asked is in its ``notes``.

    Raises
    ------
    TopologyError
        With ``Result.UNAVAILABLE`` where hwloc is not installed.
    """
    return Topology(_made(_library.load().eccl_topo_detect))


def load(path: str | os.PathLike[str]) -> "Topology":
    """Read our JSON, NCCL's topology XML or hwloc's XML from a file."""
    return Topology(_made(_library.load().eccl_topo_load_file, os.fsencode(path)))


def join(topologies: Iterable["Topology"]) -> "Topology":
    """Make one topology of several, in this order; the originals stay."""
    handles = [one._handle for one in topologies]
    array = (ctypes.c_void_p * len(handles))(*handles)
    return Topology(_made(_library.load().eccl_topo_join, array, len(handles)))


def _made(function: Callable[..., int], *arguments: Any) -> int:
    """Call a function that makes a handle."""
    handle = ctypes.c_void_p()
    check(function(*arguments, ctypes.byref(handle)))
    assert handle.value is not None
    return handle.value


class Topology:
    """Parts and links of one host or several; never changes. Made by `detect`, `load`, `join`.

    Parts are given as `Part` or by id. All methods raise `TopologyError`.
    """

    def __init__(self, handle: int) -> None:
        self._library = _library.load()
        self._handle = handle
        weakref.finalize(self, self._library.eccl_topo_destroy, handle)

    @classmethod
    def from_text(cls, text: str | bytes, format: Format = Format.AUTO) -> "Topology":
        """Read a text in one of the formats that `load` reads."""
        raw = text.encode() if isinstance(text, str) else text
        return cls(_made(_library.load().eccl_topo_load, raw, len(raw), format))

    def parts(self, kind: Kind, host: Part | int | None = None) -> list[Part]:
        """Return the parts of a kind, of one host or of all."""
        where = -1 if host is None else _id(host)
        return [self.part(id) for id in self._ids(self._library.eccl_topo_list, kind, where)]

    @functools.cached_property
    def hosts(self) -> list[Part]:
        return self.parts(Kind.HOST)

    @functools.cached_property
    def accelerators(self) -> list[Part]:
        return self.parts(Kind.ACCELERATOR)

    @functools.cached_property
    def nics(self) -> list[Part]:
        return self.parts(Kind.NIC)

    @functools.cached_property
    def rails(self) -> list[list[Part]]:
        """The NICs of each rail over all hosts; empty where no rails are known."""
        count = self._number(self._library.eccl_topo_rail_count)
        function = self._library.eccl_topo_rail_nics
        return [[self.part(id) for id in self._ids(function, rail)] for rail in range(count)]

    @functools.cached_property
    def notes(self) -> list[str]:
        """Sentences on what could not be found out, and on what is a guess."""
        notes = []
        for n in range(self._number(self._library.eccl_topo_note_count)):
            note = ctypes.c_char_p()
            check(self._library.eccl_topo_note(self._handle, n, ctypes.byref(note)))
            notes.append(text_of(note.value))
        return notes

    def part(self, id: int) -> Part:
        """Return the part with an id."""
        raw = get(self._library.eccl_topo_part, _library.PartStructure, self._handle, id)
        return Part(
            id=raw.id,
            kind=Kind(raw.kind),
            name=text_of(raw.name),
            parent=known(raw.parent),
            host=known(raw.host),
            index=known(raw.index),
            numa=known(raw.numa),
            rail=known(raw.rail),
            compute_version=raw.compute_version or None,
            cores=raw.cores,
            threads=raw.threads,
            bytes=raw.bytes,
            gigabytes_per_second=raw.gigabytes_per_second,
            vendor=text_of(raw.vendor),
            model=text_of(raw.model),
            bus_id=text_of(raw.bus_id),
            cpus=text_of(raw.cpus),
            interface=text_of(raw.interface),
        )

    def find_bus_id(self, bus_id: str, host: Part | int | None = None) -> Part | None:
        """Return the part with a PCI address, however that is written; None where there is none."""
        where = -1 if host is None else _id(host)
        id = self._found(self._library.eccl_topo_find_bus_id, bus_id.encode(), where)
        return None if id is None else self.part(id)

    def pair(self, a: Part | int, b: Part | int) -> Pair:
        """Say how far two parts are; of two hosts the way goes over the NICs nearest to them."""
        function = self._library.eccl_topo_pair
        raw = get(function, _library.PairStructure, self._handle, _id(a), _id(b))
        return Pair(Distance(raw.distance), raw.gigabytes_per_second, raw.latency_us)

    def distances(self, parts: Sequence[Part | int]) -> list[list[Distance]]:
        """Return the distance of each part to each, row by row."""
        return [[self.pair(a, b).distance for b in parts] for a in parts]

    def nearest_nic(self, part: Part | int) -> Part | None:
        """Return the NIC for a part's traffic between hosts; None where its host has none."""
        id = self._found(self._library.eccl_topo_nearest_nic, _id(part))
        return None if id is None else self.part(id)

    def map(self, layout: str | Sequence[Dimension], copies: int = 0, devices: int = 0) -> Mapping:
        """Place the ranks of a parallel layout on cards so that a step's communication is cheapest.

        Parameters
        ----------
        layout
            "tp=8,pp=2,dp=4" (names as in ``regatta topo map --help``), or dimensions of one's own;
            the first one varies fastest.
        copies
            Of each host of the topology; 0: as many as the layout needs.
        devices
            Ranks a host, in place of one for each of its accelerators; 0: those.

        Returns
        -------
        Mapping
            Where each rank runs, what that costs, and what the naive order would have cost.
        """
        config = _library.MapConfig(ctypes.sizeof(_library.MapConfig), copies, devices)
        reference = ctypes.byref(config)
        if isinstance(layout, str):
            function = self._library.eccl_topo_map
            return Mapping(_made(function, self._handle, layout.encode(), reference))
        array = (_library.DimensionStructure * len(layout))(
            *((one.name.encode(), one.ranks, one.pattern, one.bytes, one.calls) for one in layout)
        )
        function = self._library.eccl_topo_map_dimensions
        return Mapping(_made(function, self._handle, array, len(layout), reference))

    def to_text(self, format: Format = Format.TEXT, host: Part | int | None = None) -> str:
        """Write it as JSON, NCCL's XML (of one host), SVG or text."""
        where = -1 if host is None else _id(host)
        return take_text(self._library.eccl_topo_export, self._handle, format, where)

    def to_json(self) -> dict[str, Any]:
        """Return the document of docs/formats/topology.md."""
        return json.loads(self.to_text(Format.JSON))

    def __str__(self) -> str:
        return self.to_text()

    def _number(self, function: Callable[..., int]) -> int:
        number = ctypes.c_int()
        check(function(self._handle, ctypes.byref(number)))
        return number.value

    def _found(self, function: Callable[..., int], *arguments: Any) -> int | None:
        number = ctypes.c_int()
        try:
            check(function(self._handle, *arguments, ctypes.byref(number)))
        except TopologyError as error:
            if error.result == Result.NOT_FOUND:
                return None
            raise
        return number.value

    def _ids(self, function: Callable[..., int], *arguments: Any) -> list[int]:
        count = ctypes.c_int()
        check(function(self._handle, *arguments, None, 0, ctypes.byref(count)))
        ids = (ctypes.c_int * count.value)()
        check(function(self._handle, *arguments, ids, count.value, ctypes.byref(count)))
        return list(ids)


def _id(part: Part | int) -> int:
    return part if isinstance(part, int) else part.id
