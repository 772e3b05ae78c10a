"""Horovod's import names, served by regatta.hvd."""

__version__ = "0.28.1"  # the API this follows
