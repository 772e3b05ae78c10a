"""The back end ``eccl`` of ``torch.distributed``: ECCL's collectives for CPU tensors.

With torch 2.5 or newer and Regatta installed, ``init_process_group("eccl")`` is all. With an older
one, and with a source tree that is only on the path, ``import regatta.torch`` comes first::

    import regatta.torch
    import torch.distributed as dist

    dist.init_process_group("eccl")

The adapter between torch and libeccl is compiled when the first group is made and kept
(``regatta.torch.build``); ``python -m regatta.torch`` does it ahead of time.

Environment: what libeccl reads (``include/regatta/eccl.h``). A group's time-out comes from torch.
Without ``ECCL_HOST`` a rank is reached at the address from which it reaches ``MASTER_ADDR``.
"""

import datetime
import functools
import os
import socket
import types
from typing import Any

import torch.distributed as dist

from regatta import _library
from regatta.torch import build

__all__ = ["load", "register"]


@functools.cache
def load() -> types.ModuleType:
    """Compile the adapter for this torch if that was not done before, and load it.

    Raises
    ------
    regatta.torch.build.BuildError
        When there is no compiler, or headers are missing; the text says what to install.
    OSError
        When libeccl was not found.
    """
    path = _library.find()
    adapter = build.load()
    adapter.load_library(str(path))
    return adapter


def _address_towards(host: str) -> str:
    """Return the own address on the way to a host; nothing is sent to find it."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


def _host() -> str:
    """Where other ranks reach this one; "" leaves it to libeccl."""
    master = os.environ.get("MASTER_ADDR", "")
    if os.environ.get("ECCL_HOST") or not master:
        return ""
    try:
        own = _address_towards(master)
        if own.startswith("127.") and not master.startswith(("127.", "localhost")):
            # The master's own machine, whose name means loopback there: any way out will do.
            own = _address_towards("192.0.2.1")
    except OSError:
        return ""
    return "" if own.startswith("127.") else own


def _create(store: Any, rank: int, size: int, timeout: datetime.timedelta) -> Any:
    return load().create(store, rank, size, timeout, _host())


def register() -> None:
    """Make ``eccl`` known to ``torch.distributed``. Twice is fine."""
    if not dist.is_available() or hasattr(dist.Backend, "ECCL"):
        return
    if hasattr(dist.Backend, "backend_capability"):
        dist.Backend.register_backend("eccl", _create, devices=["cpu"])
    else:
        dist.Backend.register_backend("eccl", _create)


register()
