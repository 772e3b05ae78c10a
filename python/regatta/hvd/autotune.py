"""Finds a good fusion threshold and cycle time while the program trains.

Rank 0 measures bytes per second over whole steps, tries points chosen by Bayesian optimisation
(Gaussian process, expected improvement), and at the end measures the best of them against the
start values in turns: what is kept is never slower than those, as far as they can be told apart.
"""

import math
import pathlib
import statistics
import time
from typing import TextIO

import numpy as np

from regatta.hvd.environment import Settings

__all__ = ["Autotuner", "Search"]

_FUSION = (float(1 << 20), float(256 << 20))
_CYCLE = (0.0001, 0.025)
_ROUNDS = 5  # of the last comparison
_MUST_GAIN = 1.02
_LENGTH_SCALE = 0.3

Point = tuple[float, float]


class Search:
    """Maximises a noisy function on the unit square.

    Parameters
    ----------
    noise : float
        Variance of a measurement, in units of the measurements' own variance.
    free : tuple of bool
        Which of the two coordinates may move.
    """

    def __init__(self, start: Point, noise: float, free: tuple[bool, bool]) -> None:
        self.start = start
        self._noise = noise
        self._free = free
        self._random = np.random.default_rng(0)
        self.points: list[Point] = []
        self.scores: list[float] = []

    def add(self, point: Point, score: float) -> None:
        """Tell what a point gave."""
        self.points.append(point)
        self.scores.append(score)

    def best(self) -> Point:
        """Return the point with the best expected score among those measured."""
        mean, _ = self._predict(np.array(self.points))
        return self.points[int(np.argmax(mean))]

    def next_point(self) -> Point:
        """Return what is worth measuring next."""
        if not self.points:
            return self.start
        candidates = self._random.random((512, 2))
        for axis in range(2):
            if not self._free[axis]:
                candidates[:, axis] = self.start[axis]
        if len(self.points) < 4:
            # Far from what is known: the model has nothing to say yet.
            known = np.array(self.points)
            distance = np.linalg.norm(candidates[:, None] - known[None], axis=2).min(axis=1)
            chosen = candidates[int(np.argmax(distance))]
        else:
            mean, deviation = self._predict(candidates)
            best = self._predict(np.array(self.points))[0].max()
            gain = mean - best
            z = gain / deviation
            cumulative = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in z])
            density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
            chosen = candidates[int(np.argmax(gain * cumulative + deviation * density))]
        return float(chosen[0]), float(chosen[1])

    def _predict(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the process, in units of the scores' own deviation."""
        points, scores = np.array(self.points), np.array(self.scores)
        spread = scores.std() or 1.0
        values = (scores - scores.mean()) / spread
        noise = np.eye(len(points)) * (self._noise + 1e-6)
        inverse = np.linalg.inv(_kernel(points, points) + noise)
        across = _kernel(at, points)
        mean = across @ inverse @ values
        variance = 1.0 - np.einsum("ij,jk,ik->i", across, inverse, across)
        return mean, np.sqrt(np.maximum(variance, 1e-9))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    square = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.exp(-square / (2 * _LENGTH_SCALE**2))


def _to_unit(value: float, span: tuple[float, float]) -> float:
    low, high = span
    inside = min(max(value, low), high)
    return math.log(inside / low) / math.log(high / low)


def _from_unit(value: float, span: tuple[float, float]) -> float:
    low, high = span
    return low * (high / low) ** value


class Autotuner:
    """Observes and decides, on rank 0 only; used by the background thread only."""

    def __init__(self, settings: Settings) -> None:
        self._first = (settings.fusion_threshold, settings.cycle_time)
        self._steps = settings.autotune_steps_per_sample
        self._warmup = settings.autotune_warmup_samples
        self._samples = settings.autotune_samples
        start = (_to_unit(self._first[0], _FUSION), _to_unit(self._first[1], _CYCLE))
        free = (not settings.fusion_fixed, not settings.cycle_fixed)
        self._free = free
        self._search = Search(start, settings.autotune_noise, free)
        self._point: Point | None = None  # None: the start values themselves
        self._finalists: dict[bool, list[float]] = {True: [], False: []}
        self._best: Point | None = None
        self._change: tuple[int, float] | None = None
        self._running = any(free)
        self._seen: set[tuple[int, str]] = set()
        self._begin: float | None = None
        self._bytes = 0
        self._step = 0
        self._log: TextIO | None = None
        if settings.autotune_log:
            self._log = pathlib.Path(settings.autotune_log).open("w")  # noqa: SIM115
            self._log.write("fusion_bytes,cycle_ms,bytes_per_second,phase\n")

    @property
    def running(self) -> bool:
        """Tell whether the search goes on."""
        return self._running

    def proposal(self) -> tuple[int, float] | None:
        """Return fusion threshold (bytes) and cycle time (s) when they have to change, once."""
        change, self._change = self._change, None
        return change

    def observe(self, keys: list[tuple[int, str]], byte_count: int) -> None:
        """Tell what was sent; a step ends when a tensor comes again."""
        if not self._running:
            return
        if not self._seen.isdisjoint(keys):
            self._seen.clear()
            self._end_step()
        self._seen.update(keys)
        self._bytes += byte_count

    def _end_step(self) -> None:
        now = time.monotonic()
        if self._begin is None:
            # The first step, and each first one after a change, is not measured whole.
            self._begin, self._bytes, self._step = now, 0, 0
            return
        self._step += 1
        if self._step >= self._steps:
            score = self._bytes / max(now - self._begin, 1e-9)
            self._begin = None
            self._end_sample(score)

    def _end_sample(self, score: float) -> None:
        if self._warmup > 0:
            self._warmup -= 1
            self._write(score, "warm-up")
        elif len(self._search.points) < self._samples:
            self._write(score, "search")
            self._search.add(self._point or self._search.start, score)
            if len(self._search.points) < self._samples:
                self._move(self._search.next_point())
            else:
                self._best = self._search.best()
                self._move(None)
        else:
            self._write(score, "comparison")
            self._finalists[self._point is not None].append(score)
            if len(self._finalists[True]) < _ROUNDS:
                self._move(self._best if self._point is None else None)
            else:
                self._finish()

    def _finish(self) -> None:
        first, best = (statistics.median(self._finalists[which]) for which in (False, True))
        self._running = False
        # A gain within the noise is none, and then the known values are the safer ones.
        self._move(self._best if best >= first * _MUST_GAIN else None)
        self._write(max(first, best), "kept")
        self.close()

    def _move(self, point: Point | None) -> None:
        self._point = point
        self._change = self._values()

    def _values(self) -> tuple[int, float]:
        if self._point is None:
            return self._first
        fusion = int(_from_unit(self._point[0], _FUSION)) if self._free[0] else self._first[0]
        cycle = _from_unit(self._point[1], _CYCLE) if self._free[1] else self._first[1]
        return fusion, cycle

    def _write(self, score: float, phase: str) -> None:
        if self._log is not None:
            fusion, cycle = self._values()
            self._log.write(f"{fusion},{cycle * 1000:.3f},{score:.0f},{phase}\n")
            self._log.flush()

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()
            self._log = None
