"""Horovod's import names, served by regatta.hvd."""

from regatta.hvd.run.function import run as run

__version__ = "0.28.1"  # the API this follows
