"""Adasum: sums gradients that are orthogonal and averages those that are parallel.

Two vectors are combined as (1 - a.b / 2|a|^2) a + (1 - a.b / 2|b|^2) b, pairs of results likewise,
up to one: Maleki et al., "Scaling Distributed Training with Adaptive Summation", MLSys 2021.
"""

import numpy as np

from regatta.eccl import Communicator
from regatta.hvd.arrays.numbers import memory, narrow, widen

__all__ = ["adasum", "combine"]

_CHUNK = 1 << 18  # elements converted to double at once


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Scalar product in double precision: products of small gradients vanish in single."""
    total = 0.0
    for begin in range(0, a.size, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        total += float(np.dot(a[part].astype(np.float64), b[part].astype(np.float64)))
    return total


def combine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the adaptive sum of two vectors of one type, float32 or float64."""
    both, of_a, of_b = _dot(a, b), _dot(a, a), _dot(b, b)
    # A vector of zeros has no direction, and the other one is the sum.
    from_a = 1.0 - both / (2 * of_a) if of_a > 0 else 1.0
    from_b = 1.0 - both / (2 * of_b) if of_b > 0 else 1.0
    kind = a.dtype.type
    return a * kind(from_a) + b * kind(from_b)


def adasum(communicator: Communicator, flat: np.ndarray, name: str) -> None:
    """Replace a vector of floating-point numbers of the type ``name`` by the ranks' adaptive sum.

    Ranks beyond the largest power of two first add theirs to that of a partner and get the result
    from it. All ranks receive the same bits.
    """
    rank, size = communicator.rank, communicator.size
    power = 1 << (size.bit_length() - 1)
    other = np.empty_like(flat)
    mine, theirs = memory(flat, name), memory(other, name)

    def add(first: np.ndarray, second: np.ndarray) -> None:
        flat[...] = narrow(combine(widen(first, name), widen(second, name)), name)

    if rank >= power:
        communicator.send(mine, rank - power)
        communicator.receive(mine, rank - power)
        return
    if rank + power < size:
        communicator.receive(theirs, rank + power)
        add(flat, other)
    step = 1
    while step < power:
        partner = rank ^ step
        communicator.send_receive(mine, partner, theirs, partner)
        # The same order on both sides gives the same rounding.
        add(*((flat, other) if rank < partner else (other, flat)))
        step *= 2
    if rank + power < size:
        communicator.send(mine, rank + power)
