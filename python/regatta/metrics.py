"""Metrics that a step reports while it runs."""

import json
import math
import os
import time

__all__ = ["log_metric"]


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Report one value of a metric to the job that runs this process.

    Appends one JSON line to the file named by ``REGATTA_METRICS_FILE``, in a single write, so that
    several processes may share the file. Without that variable the process was not started by
    Regatta, and nothing happens.

    Parameters
    ----------
    name : str
        Name of the metric, for example ``"loss"``.
    value : float
        Anything ``float()`` accepts, a zero-dimensional tensor too. NaN and infinities, which JSON
        does not have, are written as null (docs/formats/metrics.md).
    step : int, optional
        Position on the plot's axis: epoch, iteration. Left out when None.
    """
    path = os.environ.get("REGATTA_METRICS_FILE")
    if not path:
        return
    number = float(value)
    record: dict[str, object] = {"name": name, "value": number if math.isfinite(number) else None}
    if step is not None:
        record["step"] = int(step)
    record["time"] = time.time()
    line = (json.dumps(record) + "\n").encode()
    # One write on an append-only descriptor: lines of two ranks never mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
