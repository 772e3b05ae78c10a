"""Runs programs written for Horovod without a change: ``import horovod.torch as hvd``.

The package ``horovod`` in the folder beside this file is served only when it is asked for:

- ``python -m regatta.hvd.shim script.py arguments``, or ``-m module arguments``;
- ``PYTHONPATH=$(python -m regatta.hvd.shim --path)``, for whole jobs; ``regatta.hvd.run`` does that
  for the programs it starts;
- ``regatta.hvd.shim.install()`` before the import.

It goes in front of an installed Horovod.
"""

import pathlib
import sys

__all__ = ["install", "path"]


def path() -> str:
    """Return the folder that holds the package ``horovod``."""
    return str(pathlib.Path(__file__).resolve().parent / "packages")


def install() -> None:
    """Serve ``horovod`` in this process from now on.

    Raises
    ------
    RuntimeError
        When another Horovod has been imported already.
    """
    known = sys.modules.get("horovod")
    if known is not None and not str(known.__file__ or "").startswith(path()):
        raise RuntimeError(f"horovod was already imported, from {known.__file__}")
    if path() not in sys.path:
        sys.path.insert(0, path())
