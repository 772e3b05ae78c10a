"""The optimizer that averages gradients while the backward pass still runs."""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from regatta.eccl import ReduceOp
from regatta.hvd.torch import basics, ops
from regatta.hvd.torch.compression import Compression, Compressor

__all__ = ["DistributedOptimizer"]


class _Distributed:
    """What `DistributedOptimizer` puts in front of the optimizer's own class."""

    param_groups: list[dict[str, Any]]
    _hvd: "_State"

    def synchronize(self) -> None:
        """Wait until all gradients are averaged; for clipping before `step`.

        Call ``with optimizer.skip_synchronize(): optimizer.step()`` after it.
        """
        self._hvd.synchronize()

    @contextlib.contextmanager
    def skip_synchronize(self) -> Iterator[None]:
        """Make `step` not wait again after `synchronize`."""
        self._hvd.should_synchronize = False
        try:
            yield
        finally:
            self._hvd.should_synchronize = True

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Wait for the gradients, then take the optimizer's step."""
        if self._hvd.should_synchronize:
            if self._hvd.synchronized:
                warnings.warn(
                    "optimizer.step() after optimizer.synchronize() averages again; use "
                    "`with optimizer.skip_synchronize():` around step()",
                    stacklevel=2,
                )
            self._hvd.synchronize()
        self._hvd.synchronized = False
        return super().step(closure)  # type: ignore[misc]

    def zero_grad(self, *args: Any, **options: Any) -> None:
        """Clear the gradients; not between backward and step, where they are in use."""
        if self._hvd.handles:
            raise AssertionError(
                "optimizer.zero_grad() was called after loss.backward() but before "
                "optimizer.step() or optimizer.synchronize()"
            )
        super().zero_grad(*args, **options)  # type: ignore[misc]


class _State:
    """Hooks and gradients under way of one distributed optimizer."""

    def __init__(
        self,
        parameters: list[tuple[str, torch.nn.Parameter]],
        compression: type[Compressor],
        passes: int,
        op: ReduceOp,
        predivide: float,
    ) -> None:
        self._names = {parameter: name for name, parameter in parameters}
        self._compression = compression
        self._passes = passes
        self._op = op
        self._predivide = predivide
        self._passes_left = {parameter: passes for _, parameter in parameters}
        self._accumulators: list[Any] = []  # autograd keeps no reference: without one hooks vanish
        # Handle, what travels, and how to turn it back; None while passes are still to come.
        self.handles: dict[torch.nn.Parameter, tuple[int, torch.Tensor, Any]] = {}
        self.should_synchronize = True
        self.synchronized = False
        if basics.size() > 1:
            for _, parameter in parameters:
                self._hook(parameter)

    def _hook(self, parameter: torch.nn.Parameter) -> None:
        if hasattr(parameter, "register_post_accumulate_grad_hook"):
            parameter.register_post_accumulate_grad_hook(self._ready)
            return
        # Before torch 2.1: the node that accumulates into .grad is the next function of any view
        # of the parameter, and a hook on it runs after it has accumulated.
        accumulator = parameter.expand_as(parameter).grad_fn.next_functions[0][0]
        accumulator.register_hook(lambda *_: self._ready(parameter))
        self._accumulators.append(accumulator)

    def _ready(self, parameter: torch.nn.Parameter) -> None:
        if parameter in self.handles:
            raise AssertionError(
                f'the gradient of "{self._names[parameter]}" was computed more than '
                f"{self._passes} times before optimizer.step(); set backward_passes_per_step to "
                "the number of backward passes"
            )
        basics.timeline.mark("gradient", tensor=self._names[parameter])
        self._passes_left[parameter] -= 1
        if self._passes_left[parameter] == 0:
            self.handles[parameter] = self._start(parameter)

    def _start(self, parameter: torch.nn.Parameter) -> tuple[int, torch.Tensor, Any]:
        if parameter.grad is None:
            # Not part of this rank's graph, but maybe of another's.
            parameter.grad = torch.zeros_like(parameter)
        small, context = self._compression.compress(parameter.grad)
        op, before, after = self._op, 1.0, 1.0
        if self._predivide != 1.0:
            op = ops.Sum
            before, after = 1.0 / self._predivide, self._predivide / basics.size()
        handle = ops.allreduce_async_(
            small,
            name=f"gradient.{self._names[parameter]}",
            op=op,
            prescale_factor=before,
            postscale_factor=after,
        )
        return handle, small, context

    def synchronize(self) -> None:
        if basics.size() > 1:
            for parameter in self._names:
                if parameter not in self.handles:
                    self.handles[parameter] = self._start(parameter)
        handles, self.handles = self.handles, {}
        for parameter, (handle, small, context) in handles.items():
            ops.synchronize(handle)
            self._passes_left[parameter] = self._passes
            result = self._compression.decompress(small, context)
            if result.data_ptr() != parameter.grad.data_ptr():
                with torch.no_grad():
                    parameter.grad.copy_(result)
        self.synchronized = True


def _name_all(
    optimizer: torch.optim.Optimizer, named: Iterable[tuple[str, torch.nn.Parameter]] | None
) -> list[tuple[str, torch.nn.Parameter]]:
    used = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if named is None:
        pairs = [(f"noname.{index}", parameter) for index, parameter in enumerate(used)]
    else:
        pairs = list(named)
        if any(not isinstance(pair, tuple) or len(pair) != 2 for pair in pairs):
            raise ValueError(
                "named_parameters must be (name, parameter) pairs, as "
                "model.named_parameters() gives"
            )
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"named_parameters has names twice: {', '.join(twice)}")
        known = {parameter for _, parameter in pairs}
        unnamed = sum(parameter not in known for parameter in used)
        if unnamed:
            raise ValueError(
                f"named_parameters lacks {unnamed} of the optimizer's {len(used)} "
                "parameters; pass model.named_parameters() of the whole model, or None"
            )
    wanted = set(used)
    return [
        (name, parameter)
        for name, parameter in pairs
        if parameter in wanted and parameter.requires_grad
    ]


def DistributedOptimizer(  # noqa: N802 (Horovod's name)
    optimizer: torch.optim.Optimizer,
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]] | None = None,
    compression: type[Compressor] = Compression.none,
    backward_passes_per_step: int = 1,
    op: ReduceOp = ops.Average,
    gradient_predivide_factor: float = 1.0,
) -> torch.optim.Optimizer:
    """Wrap an optimizer so that its steps use gradients combined over all ranks.

    Each gradient is handed over as soon as the backward pass has finished with it, so that
    communication and computation overlap; small gradients travel together.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Its state and parameter groups are shared with the result.
    named_parameters : iterable of (name, parameter), optional
        ``model.named_parameters()``. Without it, parameters are numbered in the optimizer's order.
    compression : Compressor
        ``Compression.none``, ``Compression.fp16`` or ``Compression.bf16``.
    backward_passes_per_step : int
        How many backward passes add to the gradients before they are combined. The sum is not
        divided by it.
    op : ReduceOp
        ``Average`` or ``Sum``.
    gradient_predivide_factor : float
        With Average: gradients are divided by it before the sum, and by size / factor after, to
        keep 16-bit sums in range.

    Returns
    -------
    torch.optim.Optimizer
        An instance of the optimizer's class, with `synchronize` and `skip_synchronize`.
    """
    if gradient_predivide_factor != 1.0 and op != ops.Average:
        raise ValueError("gradient_predivide_factor needs op=Average")
    if backward_passes_per_step < 1:
        raise ValueError("backward_passes_per_step is at least 1")
    kind = type(f"Distributed{type(optimizer).__name__}", (_Distributed, type(optimizer)), {})
    wrapped = kind.__new__(kind)
    # Everything is shared but `step`, which a learning-rate scheduler may have put on the instance:
    # it would skip the synchronization.
    wrapped.__dict__.update(
        (key, value) for key, value in optimizer.__dict__.items() if key != "step"
    )
    wrapped._hvd = _State(
        _name_all(optimizer, named_parameters),
        compression,
        backward_passes_per_step,
        op,
        gradient_predivide_factor,
    )
    return wrapped
