"""Loads libeccl_topo, and declares its structures and functions to ctypes."""

import ctypes
import functools

from regatta._places import find_library

_INT, _TEXT, _REAL = ctypes.c_int, ctypes.c_char_p, ctypes.c_double


class PartStructure(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("id", _INT),
        ("kind", _INT),
        ("parent", _INT),
        ("host", _INT),
        ("index", _INT),
        ("numa", _INT),
        ("rail", _INT),
        ("compute_version", _INT),
        ("cores", _INT),
        ("threads", _INT),
        ("bytes", ctypes.c_int64),
        ("gigabytes_per_second", _REAL),
        ("name", _TEXT),
        ("vendor", _TEXT),
        ("model", _TEXT),
        ("bus_id", _TEXT),
        ("cpus", _TEXT),
        ("interface", _TEXT),
    ]


class PairStructure(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("distance", _INT),
        ("gigabytes_per_second", _REAL),
        ("latency_us", _REAL),
    ]


class DimensionStructure(ctypes.Structure):
    _fields_ = [
        ("name", _TEXT),
        ("ranks", _INT),
        ("pattern", _INT),
        ("bytes", _REAL),
        ("calls", _REAL),
    ]


class MapConfig(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("copies", _INT), ("devices", _INT)]


class MappingStructure(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("ranks", _INT),
        ("dimensions", _INT),
        ("cost_us", _REAL),
        ("naive_cost_us", _REAL),
        ("order", _TEXT),
        ("why", _TEXT),
    ]


class PlaceStructure(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("host", _INT),
        ("host_name", _TEXT),
        ("device", _INT),
        ("slot", _INT),
        ("rail", _INT),
    ]


class DimensionCostStructure(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("name", _TEXT),
        ("ranks", _INT),
        ("where", _TEXT),
        ("cost_us", _REAL),
        ("naive_cost_us", _REAL),
    ]


@functools.cache
def load() -> ctypes.CDLL:
    """Load libeccl_topo once a process; OSError says where it was looked for."""
    library = ctypes.CDLL(str(find_library("libeccl_topo", "topology", "REGATTA_TOPOLOGY_LIBRARY")))
    handle, out = ctypes.c_void_p, ctypes.POINTER
    text_out = out(ctypes.c_void_p)
    ids = [out(_INT), _INT, out(_INT)]
    config = out(MapConfig)
    signatures: dict[str, list[object]] = {
        "version": [out(_INT)],
        "detect": [out(handle)],
        "load": [_TEXT, ctypes.c_size_t, _INT, out(handle)],
        "load_file": [_TEXT, out(handle)],
        "join": [out(handle), _INT, out(handle)],
        "destroy": [handle],
        "export": [handle, _INT, _INT, text_out, out(ctypes.c_size_t)],
        "list": [handle, _INT, _INT, *ids],
        "part": [handle, _INT, out(PartStructure)],
        "find_bus_id": [handle, _TEXT, _INT, out(_INT)],
        "note_count": [handle, out(_INT)],
        "note": [handle, _INT, out(_TEXT)],
        "pair": [handle, _INT, _INT, out(PairStructure)],
        "nearest_nic": [handle, _INT, out(_INT)],
        "rail_count": [handle, out(_INT)],
        "rail_nics": [handle, _INT, *ids],
        "map": [handle, _TEXT, config, out(handle)],
        "map_dimensions": [handle, out(DimensionStructure), _INT, config, out(handle)],
        "mapping_info": [handle, out(MappingStructure)],
        "mapping_place": [handle, _INT, out(PlaceStructure)],
        "mapping_dimension": [handle, _INT, out(DimensionCostStructure)],
        "mapping_export": [handle, _INT, text_out, out(ctypes.c_size_t)],
        "mapping_destroy": [handle],
    }
    for name, arguments in signatures.items():
        function = getattr(library, f"eccl_topo_{name}")
        function.restype = _INT
        function.argtypes = arguments
    library.eccl_topo_last_error.restype = _TEXT
    library.eccl_topo_last_error.argtypes = []
    library.eccl_topo_free.restype = None
    library.eccl_topo_free.argtypes = [ctypes.c_void_p]
    return library
