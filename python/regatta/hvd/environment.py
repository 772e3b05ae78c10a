"""Which rank this process is, and the HOROVOD_* settings, from the environment."""

import logging
import os
from dataclasses import dataclass

__all__ = ["Placement", "Settings", "read_placement", "read_settings", "warn_of_refused"]

_log = logging.getLogger("regatta.hvd")
DYNAMIC_TIMELINE = "DYNAMIC"
_REFUSED = {
    "HOROVOD_HIERARCHICAL_ALLGATHER": "libeccl chooses how an all-gather travels by itself",
    "HOROVOD_TORUS_ALLREDUCE": "libeccl has no torus; HOROVOD_HIERARCHICAL_ALLREDUCE=1 is nearest",
}


@dataclass(frozen=True)
class Placement:
    """Rank and size; what the launcher did not say about hosts is None."""

    rank: int = 0
    size: int = 1
    local_rank: int | None = None
    local_size: int | None = None
    cross_rank: int | None = None
    cross_size: int | None = None
    homogeneous: bool = True  # as many ranks on each host


@dataclass(frozen=True)
class Settings:
    """Horovod's variables that are honoured; times in seconds, sizes in bytes."""

    cycle_time: float
    fusion_threshold: int
    partition: int
    fuse_groups: bool
    cache_capacity: int
    max_pending: int  # collectives under way before a submission waits
    stall_warning: float
    stall_shutdown: float
    timeline: str
    timeline_marks_cycles: bool
    hierarchical: bool
    affinity: tuple[int, ...]  # a core for the background thread of each local rank
    interface: str
    autotune: bool
    autotune_log: str
    autotune_warmup_samples: int
    autotune_steps_per_sample: int
    autotune_samples: int
    autotune_noise: float
    # What the user has set is not tuned.
    fusion_fixed: bool
    cycle_fixed: bool


def _text(name: str) -> str:
    return os.environ.get(name, "")


def _integer(name: str, otherwise: int | None = None) -> int | None:
    text = _text(name)
    if text == "":
        return otherwise
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a whole number") from None


def _number(name: str, otherwise: float, least: float = 0.0) -> float:
    text = _text(name)
    if text == "":
        return otherwise
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a number") from None
    if not number >= least:
        raise ValueError(f"{name}={text} is too small; it is at least {least:g}")
    return number


def _flag(name: str) -> bool:
    return _text(name).lower() not in ("", "0", "false", "no")


def _cores(name: str) -> tuple[int, ...]:
    text = _text(name)
    try:
        return tuple(int(core) for core in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a list of cores such as 0,2,4") from None


def read_placement() -> Placement:
    """Read HOROVOD_RANK and its kin, else RANK, WORLD_SIZE, LOCAL_RANK; else one process."""
    for names in (
        ("HOROVOD_RANK", "HOROVOD_SIZE", "HOROVOD_LOCAL_RANK", "HOROVOD_LOCAL_SIZE"),
        ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    ):
        rank, size = _integer(names[0]), _integer(names[1])
        if rank is None and size is None:
            continue
        if rank is None or size is None:
            there, missing = (names[0], names[1]) if size is None else (names[1], names[0])
            raise ValueError(f"{there} is set, but {missing} is not")
        if not 0 <= rank < size:
            raise ValueError(f"{names[0]}={rank} does not fit {names[1]}={size}")
        return Placement(
            rank,
            size,
            _integer(names[2]),
            _integer(names[3]),
            _integer("HOROVOD_CROSS_RANK"),
            _integer("HOROVOD_CROSS_SIZE"),
        )
    return Placement()


def read_settings() -> Settings:
    """Read the settings; ValueError names the variable that makes no sense."""
    checked = not _flag("HOROVOD_STALL_CHECK_DISABLE")
    return Settings(
        cycle_time=_number("HOROVOD_CYCLE_TIME", 1.0) / 1000,
        fusion_threshold=int(_number("HOROVOD_FUSION_THRESHOLD", 64 << 20)),
        partition=int(_number("REGATTA_HVD_PARTITION_BYTES", 16 << 20)),
        fuse_groups=not _flag("HOROVOD_DISABLE_GROUP_FUSION"),
        cache_capacity=int(_number("HOROVOD_CACHE_CAPACITY", 1024)),
        max_pending=int(_number("REGATTA_HVD_MAX_PENDING", 1 << 16, 1)),
        stall_warning=_number("HOROVOD_STALL_CHECK_TIME_SECONDS", 60.0) if checked else 0.0,
        stall_shutdown=_number("HOROVOD_STALL_SHUTDOWN_TIME_SECONDS", 0.0) if checked else 0.0,
        timeline=_text("HOROVOD_TIMELINE"),
        timeline_marks_cycles=_flag("HOROVOD_TIMELINE_MARK_CYCLES"),
        hierarchical=_flag("HOROVOD_HIERARCHICAL_ALLREDUCE"),
        affinity=_cores("HOROVOD_THREAD_AFFINITY"),
        interface=_text("HOROVOD_GLOO_IFACE"),
        autotune=_flag("HOROVOD_AUTOTUNE"),
        autotune_log=_text("HOROVOD_AUTOTUNE_LOG"),
        autotune_warmup_samples=int(_number("HOROVOD_AUTOTUNE_WARMUP_SAMPLES", 3)),
        autotune_steps_per_sample=int(_number("HOROVOD_AUTOTUNE_STEPS_PER_SAMPLE", 10, 1)),
        autotune_samples=int(_number("HOROVOD_AUTOTUNE_BAYES_OPT_MAX_SAMPLES", 20, 1)),
        autotune_noise=_number("HOROVOD_AUTOTUNE_GAUSSIAN_PROCESS_NOISE", 0.8),
        fusion_fixed=_text("HOROVOD_FUSION_THRESHOLD") != "",
        cycle_fixed=_text("HOROVOD_CYCLE_TIME") != "",
    )


def warn_of_refused() -> None:
    """Say which variables that are set have no effect, and why."""
    for name, reason in _REFUSED.items():
        if _flag(name):
            _log.warning("%s has no effect: %s", name, reason)
