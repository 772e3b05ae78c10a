"""Follows the backward pass and hands gradients over as soon as they are complete."""

from collections.abc import Callable, Sequence

import paddle

from regatta.hvd import basics
from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.paddle.allreduce import submit_allreduce
from regatta.hvd.paddle.compression import Compressor
from regatta.hvd.paddle.sparse import densify, fill_rows, start_rows
from regatta.hvd.process_sets import ProcessSet
from regatta.hvd.reductions import Average

__all__ = ["Gradients", "Group"]

Group = tuple[int, ...]  # numbers of parameters
Finish = Callable[[], None]


class Gradients:
    """Hooks and gradients under way of one distributed optimizer.

    Parameters
    ----------
    parameters : list of (name, parameter)
        In the order of the layers: the first ones go first, since the next forward pass needs
        them first.
    groups : list of tuples of parameters' numbers
        Which gradients are one operation; those in no group are one each.
    """

    def __init__(
        self,
        parameters: Sequence[tuple[str, paddle.Tensor]],
        compression: type[Compressor],
        passes: int,
        op: int,
        predivide: float,
        groups: Sequence[Group],
        sparse_as_dense: bool,
        process_set: ProcessSet,
    ) -> None:
        self.names = [name for name, _ in parameters]
        self._parameters = [parameter for _, parameter in parameters]
        self._compression = compression
        self._op = op
        self._scale = (1.0 / predivide, predivide) if op == Average else (1.0, 1.0)
        self._sparse_as_dense = sparse_as_dense
        self._process_set = process_set
        self._group_of = {number: group for group in groups for number in group}
        for number in range(len(self.names)):
            self._group_of.setdefault(number, (number,))
        self.started: dict[Group, Finish] = {}
        self.set_passes(passes)

    def set_passes(self, passes: int) -> None:
        """Set how many backward passes add up to a gradient."""
        self.passes = passes
        self.reset()

    def reset(self) -> None:
        """Forget what is under way: its outcome no longer matters."""
        self.started.clear()
        self._left = [self.passes] * len(self.names)

    def hook(self) -> None:
        """Follow the backward pass from now on."""
        for number, parameter in enumerate(self._parameters):
            parameter._register_backward_hook(self._make_hook(number))

    def _make_hook(self, number: int) -> Callable[[], None]:
        return lambda: self._ready(number)

    def _ready(self, number: int) -> None:
        group = self._group_of[number]
        if group in self.started or self._left[number] <= 0:
            raise AssertionError(
                f'the gradient of "{self.names[number]}" was computed more than '
                f"{self.passes} times before optimizer.step(); set backward_passes_per_step to "
                "the number of backward passes"
            )
        if basics.timeline.on:
            basics.timeline.mark("gradient", tensor=self.names[number])
        self._left[number] -= 1
        if all(self._left[member] == 0 for member in group):
            self.started[group] = self._start(group)

    def finish(self) -> None:
        """Start what the backward pass did not reach, and wait for everything."""
        for number in range(len(self.names)):
            group = self._group_of[number]
            if group not in self.started:
                self.started[group] = self._start(group)
        started = list(self.started.values())
        self.reset()
        for finish in started:
            finish()

    def _start(self, group: Group) -> Finish:
        gradients = []
        for number in group:
            parameter = self._parameters[number]
            if parameter._grad_ivar() is None:
                # Not part of this rank's graph, but maybe of another's.
                parameter.grad = paddle.zeros_like(parameter)
            gradients.append(parameter._grad_ivar())
        name = f"gradient.{self.names[group[0]]}"
        if len(group) == 1 and gradients[0].is_selected_rows() and not self._sparse_as_dense:
            return start_rows(gradients[0], name, self._op, self._process_set)
        dense = [densify(one) if one.is_selected_rows() else one for one in gradients]
        packed = [self._compression.compress(one) for one in dense]
        handle = submit_allreduce(
            [small for small, _ in packed],
            name,
            None,
            self._op,
            *self._scale,
            self._process_set,
            True,
            True,
            len(self.names) - min(group),
            self._compression,
        )

        def finish() -> None:
            results = synchronize(handle)
            for gradient, small, (_, context) in zip(gradients, results, packed, strict=True):
                _replace(gradient, self._compression.decompress(small, context))

        return finish


def _replace(gradient: paddle.Tensor, result: paddle.Tensor) -> None:
    if gradient.is_selected_rows():
        fill_rows(gradient, list(range(result.shape[0])), result)
    elif result.data_ptr() != gradient.data_ptr():
        with paddle.no_grad():
            paddle.assign(result, gradient)
