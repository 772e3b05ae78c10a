"""Which rank this process is, from the environment its launcher made."""

import os
from dataclasses import dataclass

__all__ = ["Placement", "Settings", "read_placement", "read_settings"]


@dataclass(frozen=True)
class Placement:
    """Rank and size; what the launcher did not say about hosts is None."""

    rank: int = 0
    size: int = 1
    local_rank: int | None = None
    local_size: int | None = None
    cross_rank: int | None = None
    cross_size: int | None = None


@dataclass(frozen=True)
class Settings:
    """Horovod's variables that are honoured; times in seconds, sizes in bytes."""

    cycle_time: float
    fusion_threshold: int
    stall_warning: float
    stall_shutdown: float
    timeline: str


def _integer(name: str, otherwise: int | None = None) -> int | None:
    text = os.environ.get(name)
    if text is None or text == "":
        return otherwise
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a whole number") from None


def _number(name: str, otherwise: float) -> float:
    text = os.environ.get(name)
    if text is None or text == "":
        return otherwise
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a number") from None


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
    """Read HOROVOD_CYCLE_TIME (ms), HOROVOD_FUSION_THRESHOLD, HOROVOD_STALL_*, HOROVOD_TIMELINE."""
    checked = os.environ.get("HOROVOD_STALL_CHECK_DISABLE", "0") in ("", "0")
    return Settings(
        cycle_time=max(_number("HOROVOD_CYCLE_TIME", 1.0), 0.0) / 1000,
        fusion_threshold=int(_number("HOROVOD_FUSION_THRESHOLD", 64 * 1024 * 1024)),
        stall_warning=_number("HOROVOD_STALL_CHECK_TIME_SECONDS", 60.0) if checked else 0.0,
        stall_shutdown=_number("HOROVOD_STALL_SHUTDOWN_TIME_SECONDS", 0.0) if checked else 0.0,
        timeline=os.environ.get("HOROVOD_TIMELINE", ""),
    )
