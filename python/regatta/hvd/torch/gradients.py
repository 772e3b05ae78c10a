"""Follows the backward pass and hands gradients over as soon as they are complete."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from regatta.hvd import basics
from regatta.hvd.process_sets import ProcessSet
from regatta.hvd.reductions import Average
from regatta.hvd.torch.allreduce import start
from regatta.hvd.torch.compression import Compressor
from regatta.hvd.torch.handles import synchronize
from regatta.hvd.torch.sparse import sparse_allreduce_async

__all__ = ["Gradients"]

Group = tuple[torch.nn.Parameter, ...]
Finish = Callable[[], None]


class Gradients:
    """Hooks and gradients under way of one distributed optimizer.

    Parameters
    ----------
    parameters : list of (name, parameter)
        In the order of the layers: the first ones go first, since the next forward pass needs
        them first.
    groups : list of tuples of parameters, optional
        Which gradients are one operation; those in no group are one each.
    """

    def __init__(
        self,
        parameters: Sequence[tuple[str, torch.nn.Parameter]],
        compression: type[Compressor],
        passes: int,
        op: int,
        predivide: float,
        groups: Sequence[Group],
        sparse_as_dense: bool,
        process_set: ProcessSet,
    ) -> None:
        self.names = {parameter: name for name, parameter in parameters}
        self._compression = compression
        self._op = op
        self._scale = (1.0 / predivide, predivide) if op == Average else (1.0, 1.0)
        self._sparse_as_dense = sparse_as_dense
        self._process_set = process_set
        self._group_of = {parameter: group for group in groups for parameter in group}
        for parameter in self.names:
            self._group_of.setdefault(parameter, (parameter,))
        count = len(self.names)
        self._priority = {parameter: count - index for index, parameter in enumerate(self.names)}
        self._accumulators: list[Any] = []  # autograd keeps no reference: without one hooks vanish
        self.started: dict[Group, Finish] = {}
        self.set_passes(passes)

    def set_passes(self, passes: int) -> None:
        """Set how many backward passes add up to a gradient."""
        self.passes = passes
        self.reset()

    def reset(self) -> None:
        """Forget what is under way: its outcome no longer matters."""
        self.started.clear()
        self._left = dict.fromkeys(self.names, self.passes)

    def hook(self) -> None:
        """Follow the backward pass from now on."""
        for parameter in self.names:
            if hasattr(parameter, "register_post_accumulate_grad_hook"):
                parameter.register_post_accumulate_grad_hook(self._ready)
                continue
            # Before torch 2.1: the node that accumulates into .grad is the next function of any
            # view of the parameter, and a hook on it runs after it has accumulated.
            accumulator = parameter.expand_as(parameter).grad_fn.next_functions[0][0]
            accumulator.register_hook(self._make_hook(parameter))
            self._accumulators.append(accumulator)

    def _make_hook(self, parameter: torch.nn.Parameter) -> Callable[..., None]:
        return lambda *_: self._ready(parameter)

    def _ready(self, parameter: torch.nn.Parameter) -> None:
        group = self._group_of[parameter]
        if group in self.started or self._left[parameter] <= 0:
            raise AssertionError(
                f'the gradient of "{self.names[parameter]}" was computed more than '
                f"{self.passes} times before optimizer.step(); set backward_passes_per_step to "
                "the number of backward passes"
            )
        if basics.timeline.on:
            basics.timeline.mark("gradient", tensor=self.names[parameter])
        self._left[parameter] -= 1
        if all(self._left[member] == 0 for member in group):
            self.started[group] = self._start(group)

    def finish(self) -> None:
        """Start what the backward pass did not reach, and wait for everything."""
        for parameter in self.names:
            group = self._group_of[parameter]
            if group not in self.started:
                self.started[group] = self._start(group)
        started = list(self.started.values())
        self.reset()
        for finish in started:
            finish()

    def _start(self, group: Group) -> Finish:
        for parameter in group:
            if parameter.grad is None:
                # Not part of this rank's graph, but maybe of another's.
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in group]
        name = f"gradient.{self.names[group[0]]}"
        if len(group) == 1 and gradients[0].is_sparse and not self._sparse_as_dense:
            combined = sparse_allreduce_async(gradients[0], name, self._op, self._process_set)
            return lambda: _replace(group[0], combined())
        dense = [one.to_dense() if one.is_sparse else one for one in gradients]
        packed = [self._compression.compress(one) for one in dense]
        handle = start(
            [small for small, _ in packed],
            name,
            None,
            self._op,
            *self._scale,
            self._process_set,
            True,
            True,
            max(self._priority[parameter] for parameter in group),
            self._compression,
        )

        def finish() -> None:
            results = synchronize(handle)
            for parameter, small, (_, context) in zip(group, results, packed, strict=True):
                _replace(parameter, self._compression.decompress(small, context))

        return finish


def _replace(parameter: torch.nn.Parameter, result: torch.Tensor) -> None:
    gradient = parameter.grad
    with torch.no_grad():
        if gradient.is_sparse:
            # Sparse tensors cannot be copied into one another.
            sparse = result if result.is_sparse else result.to_sparse(gradient.sparse_dim())
            parameter.grad = sparse
        elif result.is_sparse:
            parameter.grad = result.to_dense()
        elif result.data_ptr() != gradient.data_ptr():
            gradient.copy_(result)
