"""Stands in for the package filelock in Horovod's examples."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def FileLock(path: str) -> Iterator[None]:  # noqa: N802 (that package's name)
    with pathlib.Path(path).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
