"""The optimizer that combines gradients while the backward pass still runs."""

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import paddle

from regatta.hvd import basics
from regatta.hvd.arrays.handles import synchronize
from regatta.hvd.paddle.allreduce import allreduce_async_
from regatta.hvd.paddle.compression import Compression, Compressor
from regatta.hvd.paddle.functions import parameters_of
from regatta.hvd.paddle.gradients import Gradients, Group
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Adasum, Average
from regatta.hvd.wire import check_momentum, plain

__all__ = ["DistributedOptimizer"]

Named = list[tuple[str, paddle.Tensor]]


class _Distributed:
    """What `DistributedOptimizer` puts in front of the optimizer's own class."""

    _hvd: Gradients
    _hvd_synchronized: bool
    _hvd_should_synchronize: bool
    process_set: ProcessSet

    def synchronize(self) -> None:
        """Wait until all gradients are combined; for what reads them before `step`.

        Call ``with optimizer.skip_synchronize(): optimizer.step()`` after it.
        """
        if self.process_set.included():
            self._hvd.finish()
        self._hvd_synchronized = True

    @contextlib.contextmanager
    def skip_synchronize(self) -> Iterator[None]:
        """Make `step` and `minimize` not wait again after `synchronize`."""
        self._hvd_should_synchronize = False
        try:
            yield
        finally:
            self._hvd_should_synchronize = True

    def _hvd_before_step(self) -> None:
        if self._hvd_should_synchronize:
            if self._hvd_synchronized:
                warnings.warn(
                    # Programs look for these words.
                    "optimizer.step() called without optimizer.skip_synchronize() although "
                    "optimizer.synchronize() was: the gradients are combined twice",
                    stacklevel=3,
                )
            self.synchronize()
        self._hvd_synchronized = False

    def step(self) -> None:
        """Wait for the gradients, then take the optimizer's step."""
        self._hvd_before_step()
        super().step()  # type: ignore[misc]

    def minimize(self, *arguments: Any, **options: Any) -> Any:
        """Wait for the gradients, then take the optimizer's step."""
        self._hvd_before_step()
        return super().minimize(*arguments, **options)  # type: ignore[misc]

    def clear_grad(self, *arguments: Any, **options: Any) -> None:
        """Clear the gradients; not between backward and step, where they are in use."""
        if self._hvd.started:
            raise AssertionError(
                "optimizer.clear_grad() was called after loss.backward() but before "
                "optimizer.step() or optimizer.synchronize()"
            )
        super().clear_grad(*arguments, **options)  # type: ignore[misc]

    def set_state_dict(self, *arguments: Any, **options: Any) -> None:
        """Load the optimizer's state; gradients under way are forgotten."""
        self._hvd.reset()
        self._hvd_synchronized = False
        super().set_state_dict(*arguments, **options)  # type: ignore[misc]

    load_state_dict = set_state_dict

    @property
    def backward_passes_per_step(self) -> int:
        """How many backward passes add up to a gradient."""
        return self._hvd.passes

    def set_backward_passes_per_step(self, passes: int) -> None:
        """Change how many backward passes add up to a gradient, between steps."""
        self._hvd.set_passes(passes)


class _Delta:
    """The Adasum optimizer: each rank takes its own step, and the steps are combined."""

    _hvd_parameters: Named
    _hvd_compression: type[Compressor]

    def synchronize(self) -> None:
        """Do nothing: `step` combines changes, not gradients."""

    def skip_synchronize(self) -> contextlib.AbstractContextManager[None]:
        raise AssertionError("with op=Adasum there is no step() without synchronization")

    def step(self) -> None:
        """Take the optimizer's step with this rank's gradients, then combine all ranks' steps."""
        self._hvd_combine(super().step)  # type: ignore[misc]

    def minimize(self, *arguments: Any, **options: Any) -> Any:
        """As `step`."""
        take = super().minimize  # type: ignore[misc]
        return self._hvd_combine(lambda: take(*arguments, **options))

    def _hvd_combine(self, take: Any) -> Any:
        before = [parameter.detach().clone() for _, parameter in self._hvd_parameters]
        result = take()
        with paddle.no_grad():
            packed = []
            for (name, parameter), old in zip(self._hvd_parameters, before, strict=True):
                small, context = self._hvd_compression.compress(parameter.detach() - old)
                packed.append((allreduce_async_(small, name=f"delta.{name}", op=Adasum), context))
            for (_, parameter), old, (handle, context) in zip(
                self._hvd_parameters, before, packed, strict=True
            ):
                delta = self._hvd_compression.decompress(synchronize(handle), context)
                paddle.assign(old + delta, parameter)
        return result


def _name_all(
    optimizer: paddle.optimizer.Optimizer, named: Iterable[tuple[str, paddle.Tensor]] | None
) -> Named:
    used = parameters_of(optimizer)
    if named is None:
        # Paddle's own names count layers, and ranks may have made others before.
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
        known = {id(parameter) for _, parameter in pairs}
        unnamed = sum(id(parameter) not in known for parameter in used)
        if unnamed:
            raise ValueError(
                f"named_parameters lacks {unnamed} of the optimizer's {len(used)} "
                "parameters; pass model.named_parameters() of the whole model, or None"
            )
    wanted = {id(parameter) for parameter in used}
    return [
        (name, parameter)
        for name, parameter in pairs
        if id(parameter) in wanted and not parameter.stop_gradient
    ]


def _make_groups(
    parameters: Named, groups: "int | Sequence[Sequence[paddle.Tensor]]"
) -> list[Group]:
    if isinstance(groups, int):
        if groups < 0:
            raise ValueError(f"groups is a number of groups, or lists of parameters, not {groups}")
        if groups == 0:
            return []
        size, extra = divmod(len(parameters), groups)
        ends = [(index + 1) * size + min(index + 1, extra) for index in range(groups)]
        made = [tuple(range(*pair)) for pair in zip([0, *ends[:-1]], ends, strict=True)]
        return [group for group in made if group]
    if not isinstance(groups, (list, tuple)):
        raise ValueError(f"groups is a number of groups, or lists of parameters, not {groups}")
    numbers = {id(parameter): number for number, (_, parameter) in enumerate(parameters)}
    seen: set[int] = set()
    made = []
    for group in groups:
        for parameter in group:
            if not isinstance(parameter, paddle.Tensor):
                raise ValueError(f"groups hold parameters, not {type(parameter).__name__}")
            if id(parameter) in seen:
                raise ValueError("a parameter can be in one of the groups only")
            seen.add(id(parameter))
        made.append(tuple(numbers[id(one)] for one in group if id(one) in numbers))
    return [group for group in made if group]


def _derive(optimizer: paddle.optimizer.Optimizer, front: type) -> Any:
    """Return an object of the optimizer's class with ``front`` before it, sharing its state."""
    kind = type(type(optimizer).__name__, (front, type(optimizer)), {"__module__": __name__})
    wrapped = kind.__new__(kind)
    # Methods that were put on the instance would go past those of ``front``.
    own = ("step", "minimize", "clear_grad", "clear_gradients")
    wrapped.__dict__.update(
        (key, value) for key, value in optimizer.__dict__.items() if key not in own
    )
    wrapped.clear_gradients = wrapped.clear_grad
    return wrapped


def DistributedOptimizer(  # noqa: N802 (Horovod's name)
    optimizer: paddle.optimizer.Optimizer,
    named_parameters: Iterable[tuple[str, paddle.Tensor]] | None = None,
    compression: type[Compressor] = Compression.none,
    backward_passes_per_step: int = 1,
    op: int = Average,
    gradient_predivide_factor: float = 1.0,
    num_groups: int = 0,
    groups: "int | Sequence[Sequence[paddle.Tensor]] | None" = None,
    sparse_as_dense: bool = False,
    process_set: ProcessSet = global_process_set,
) -> paddle.optimizer.Optimizer:
    """Wrap an optimizer so that its steps use gradients combined over all ranks.

    Each gradient is handed over as soon as the backward pass has finished with it, so that
    communication and computation overlap; small gradients travel together, those of the first
    layers before others. The optimizer's own ``grad_clip`` sees combined gradients.

    Parameters
    ----------
    optimizer : paddle.optimizer.Optimizer
        Its state and parameters are shared with the result.
    named_parameters : iterable of (name, parameter), optional
        ``model.named_parameters()``. Without it, parameters are numbered in the optimizer's order.
    compression : Compressor
        ``Compression.none``, ``fp16``, ``bf16``, or one of libeccl's with error feedback:
        ``fp16_feedback``, ``bf16_feedback``, ``int8``, ``topk``, ``dgc()``, ``powersgd``.
    backward_passes_per_step : int
        How many backward passes add to the gradients before they are combined. The sum is not
        divided by it.
    op : Op
        ``Average``, ``Sum``, or ``Adasum``: then each rank takes a step of its own, and what the
        steps changed is combined (global process set only).
    gradient_predivide_factor : float
        With Average: gradients are divided by it before the sum, and by size / factor after, to
        keep 16-bit sums in range.
    num_groups : int
        Deprecated: ``groups`` as a number.
    groups : int or list of lists of parameters, optional
        Gradients that are combined as one operation: so many groups of about equal length, or
        these.
    sparse_as_dense : bool
        Combine gradients of selected rows as dense ones.
    process_set : ProcessSet
        Ranks outside of it take the optimizer's own steps.

    Returns
    -------
    paddle.optimizer.Optimizer
        An instance of the optimizer's class, with `synchronize` and `skip_synchronize`.
    """
    if gradient_predivide_factor != 1.0 and op != Average:
        raise ValueError("gradient_predivide_factor needs op=Average")
    if backward_passes_per_step < 1:
        raise ValueError("backward_passes_per_step is at least 1")
    if num_groups:
        warnings.warn("num_groups is deprecated; use groups", DeprecationWarning, stacklevel=2)
        groups = num_groups if groups is None else groups
    check_momentum(compression, getattr(optimizer, "_momentum", 0.0))
    parameters = _name_all(optimizer, named_parameters)
    several = basics.size() > 1 or os.environ.get("HOROVOD_ELASTIC") == "1"
    if op == Adasum and several:
        if process_set is not global_process_set:
            raise NotImplementedError("op=Adasum works on all ranks only, not in a process set")
        wrapped = _derive(optimizer, _Delta)
        wrapped._hvd_compression = plain(compression, "op=Adasum")
        wrapped._hvd_parameters = parameters
        return wrapped
    wrapped = _derive(optimizer, _Distributed)
    here = several and process_set.included()
    wrapped._hvd = Gradients(
        parameters if here else [],
        compression,
        backward_passes_per_step,
        op,
        gradient_predivide_factor,
        _make_groups(parameters, groups if groups is not None else 0) if here else [],
        sparse_as_dense,
        process_set,
    )
    wrapped._hvd.hook()
    wrapped._hvd_synchronized = False
    wrapped._hvd_should_synchronize = True
    wrapped.process_set = process_set
    return wrapped
