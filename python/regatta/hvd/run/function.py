"""Runs a function on all ranks of a job of its own: Horovod's ``horovod.run``."""

import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

try:
    from cloudpickle import dumps as _dumps  # knows lambdas and local classes, too
except ImportError:
    _dumps = pickle.dumps

__all__ = ["run"]


def run(
    func: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    num_proc: int = 1,
    *,
    np: int | None = None,
    executable: str | None = None,
    verbose: int | None = None,
    use_gloo: bool | None = None,
) -> list[Any]:
    """Call ``func`` on ``num_proc`` new processes of this machine and return what each returned.

    Parameters
    ----------
    func : callable
        Travels as a pickle, as its arguments and results do. It calls ``hvd.init()`` itself.
    num_proc : int
        How many ranks; ``np`` is its older name.
    executable : str, optional
        The Python to use, this one unless given.
    verbose, use_gloo
        For Horovod's sake.

    Returns
    -------
    list
        By rank.

    Raises
    ------
    RuntimeError
        When a rank failed; its output is on this process's standard error.
    """
    size = num_proc if np is None else np
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "call").write_bytes(_dumps((func, tuple(args), kwargs or {})))
        python = executable or sys.executable
        # What this process can import the ranks can, too.
        paths = os.pathsep.join(path or str(pathlib.Path.cwd()) for path in sys.path)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "regatta.hvd.run", "-np", str(size), python),
                *("-m", "regatta.hvd.run.function", str(folder)),
            ],
            env=os.environ | {"PYTHONPATH": paths},
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"a rank failed; the job ended with code {done.returncode}")
        return [pickle.loads((folder / f"{rank}").read_bytes()) for rank in range(size)]


def _call(folder: pathlib.Path) -> None:
    function, arguments, options = pickle.loads((folder / "call").read_bytes())
    result = function(*arguments, **options)
    (folder / os.environ["HOROVOD_RANK"]).write_bytes(_dumps(result))


if __name__ == "__main__":
    _call(pathlib.Path(sys.argv[1]))
