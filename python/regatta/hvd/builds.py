"""What Horovod's programs ask of their build.

The transport is libeccl in all cases. Programs ask in order to choose among what Horovod has, so
the answers are those of a build with Gloo alone, which is what libeccl stands in for: no MPI to
initialize, no GPU library, restartable.
"""

__all__ = [
    "ccl_built",
    "cuda_built",
    "ddl_built",
    "gloo_built",
    "gloo_enabled",
    "mpi_built",
    "mpi_enabled",
    "mpi_threads_supported",
    "nccl_built",
    "rocm_built",
]


def gloo_built() -> bool:
    """Return True: libeccl meets and moves data without MPI, as Gloo does."""
    return True


def gloo_enabled() -> bool:
    """Return True."""
    return True


def mpi_built() -> bool:
    """Return False: there is no MPI inside."""
    return False


def mpi_enabled() -> bool:
    """Return False."""
    return False


def mpi_threads_supported() -> bool:
    """Return False: there is no MPI inside. Calls from several threads are fine."""
    return False


def nccl_built() -> int:
    """Return 0: tensors are on the CPU."""
    return 0


def ddl_built() -> bool:
    """Return False."""
    return False


def ccl_built() -> bool:
    """Return False."""
    return False


def cuda_built() -> bool:
    """Return False: tensors are on the CPU."""
    return False


def rocm_built() -> bool:
    """Return False: tensors are on the CPU."""
    return False
