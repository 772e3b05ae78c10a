"""``horovod.common.util``: what programs ask of it."""

import importlib.util

from regatta.hvd.builds import ccl_built, ddl_built, gloo_built, mpi_built, nccl_built

__all__ = [
    "ccl_built",
    "ddl_built",
    "extension_available",
    "gloo_built",
    "gpu_available",
    "mpi_built",
    "nccl_built",
]


def extension_available(ext_base_name: str, verbose: bool = False) -> bool:
    """Tell whether a framework ("torch", "tensorflow") is served."""
    return importlib.util.find_spec(f"horovod.{ext_base_name}") is not None


def gpu_available(ext_base_name: str, verbose: bool = False) -> bool:
    """Return False: tensors are on the CPU."""
    return False
