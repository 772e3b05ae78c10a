"""Adasum: sums gradients that are orthogonal and averages those that are parallel.

Two vectors are combined as (1 - a.b / 2|a|^2) a + (1 - a.b / 2|b|^2) b, pairs of results likewise,
up to one: Maleki et al., "Scaling Distributed Training with Adaptive Summation", MLSys 2021.
"""

import torch

from regatta.eccl import Communicator

__all__ = ["adasum_", "combine"]

_CHUNK = 1 << 18  # elements converted to double at once


def _dot(a: torch.Tensor, b: torch.Tensor) -> float:
    """Scalar product in double precision: products of small gradients vanish in single."""
    total = 0.0
    for one, other in zip(a.split(_CHUNK), b.split(_CHUNK), strict=True):
        total += float(torch.dot(one.double(), other.double()))
    return total


def combine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the adaptive sum of two flat tensors, in their type."""
    both, of_a, of_b = _dot(a, b), _dot(a, a), _dot(b, b)
    # A vector of zeros has no direction, and the other one is the sum.
    from_a = 1.0 - both / (2 * of_a) if of_a > 0 else 1.0
    from_b = 1.0 - both / (2 * of_b) if of_b > 0 else 1.0
    wide = torch.float64 if a.dtype == torch.float64 else torch.float32
    return a.to(wide).mul(from_a).add_(b.to(wide), alpha=from_b).to(a.dtype)


def adasum_(communicator: Communicator, flat: torch.Tensor) -> None:
    """Replace a flat, contiguous tensor of floating-point numbers by the ranks' adaptive sum.

    Ranks beyond the largest power of two first add theirs to that of a partner and get the result
    from it. All ranks receive the same bits.
    """
    rank, size = communicator.rank, communicator.size
    power = 1 << (size.bit_length() - 1)
    other = torch.empty_like(flat)
    if rank >= power:
        communicator.send(flat, rank - power)
        communicator.receive(flat, rank - power)
        return
    if rank + power < size:
        communicator.receive(other, rank + power)
        flat.copy_(combine(flat, other))
    step = 1
    while step < power:
        partner = rank ^ step
        communicator.send_receive(flat, partner, other, partner)
        # The same order on both sides gives the same rounding.
        pair = (flat, other) if rank < partner else (other, flat)
        flat.copy_(combine(*pair))
        step *= 2
    if rank + power < size:
        communicator.send(flat, rank + power)
