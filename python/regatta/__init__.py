"""Regatta's Python package: collectives, Horovod's API over them, topology, job metrics."""

from regatta.metrics import log_metric

__all__ = ["__version__", "log_metric"]
__version__ = "0.1.0"
