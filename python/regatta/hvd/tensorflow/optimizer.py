"""Optimizers of Keras whose steps use gradients combined over all ranks."""

from typing import Any

import keras
import tensorflow as tf

from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Average
from regatta.hvd.tensorflow.compression import Compression, Compressor
from regatta.hvd.tensorflow.gradients import Combiner
from regatta.hvd.wire import check_momentum

__all__ = ["DistributedOptimizer", "PartialDistributedOptimizer", "distribute"]


class _Distributed:
    """What is put in front of the optimizer's own class."""

    _hvd: Combiner
    _hvd_passes: int
    _hvd_averaged: bool
    _hvd_sums: list[Any]
    _hvd_count: Any

    def register_local_var(self, variable: Any) -> None:
        """Leave the gradients of a variable to this rank."""
        self._hvd.keep_local(variable)

    def build(self, variables: Any) -> None:
        """Make the optimizer's variables, and those that gradients add up in."""
        super().build(variables)  # type: ignore[misc]
        if self._hvd_passes > 1 and not self._hvd_sums:
            self._hvd_sums = [
                self.add_variable_from_reference(one, name="hvd_sum")  # type: ignore[attr-defined]
                for one in variables
            ]
            self._hvd_count = self.add_variable(  # type: ignore[attr-defined]
                shape=(), initializer="zeros", dtype="int64", name="hvd_count"
            )

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """Combine the gradients over all ranks, then take the optimizer's step."""
        gradients = list(grads)
        variables = (
            list(self._trainable_variables)  # type: ignore[attr-defined]
            if trainable_variables is None
            else list(trainable_variables)
        )
        if not self.built:  # type: ignore[attr-defined]
            with tf.init_scope():
                self.build(variables)
        if self._hvd_passes == 1:
            return self._hvd_apply(gradients, variables)
        return self._hvd_add(gradients, variables)

    def _hvd_apply(self, gradients: list[Any], variables: list[Any]) -> Any:
        combined = self._hvd.combine(gradients, variables)
        return super().apply(combined, variables)  # type: ignore[misc]

    def _hvd_add(self, gradients: list[Any], variables: list[Any]) -> None:
        used = [index for index, one in enumerate(gradients) if one is not None]
        sums = [self._hvd_sums[self._get_variable_index(variables[i])] for i in used]  # type: ignore[attr-defined]
        for index, total in zip(used, sums, strict=True):
            total.assign(total.value + tf.convert_to_tensor(gradients[index]))
        self._hvd_count.assign(self._hvd_count.value + 1)

        def step() -> None:
            divisor = self._hvd_passes if self._hvd_averaged else 1
            everything = [total.value / tf.cast(divisor, total.value.dtype) for total in sums]
            self._hvd_apply(everything, [variables[index] for index in used])
            for total in sums:
                total.assign(tf.zeros_like(total.value))
            self._hvd_count.assign(0)

        # All ranks count alike, so all combine or none does.
        tf.cond(self._hvd_count.value >= self._hvd_passes, step, lambda: None)


def _kind(optimizer: Any) -> type:
    own = type(optimizer)
    # With the module of the optimizer itself, so that a saved model loads where this is not.
    return type(own.__name__, (_Distributed, own), {"__module__": own.__module__})


def _prepare(optimizer: Any, combiner: Combiner, passes: int, averaged: bool) -> Any:
    optimizer._hvd = combiner
    optimizer._hvd_passes, optimizer._hvd_averaged = passes, averaged
    optimizer._hvd_sums, optimizer._hvd_count = [], None
    return optimizer


def distribute(optimizer: Any, compression: type[Compressor] = Compression.none) -> Any:
    """Make an optimizer a distributed one where it stands, with its state."""
    optimizer.__class__ = _kind(optimizer)
    combiner = Combiner(compression, False, Average, 1.0, global_process_set, True)
    return _prepare(optimizer, combiner, 1, False)


def DistributedOptimizer(  # noqa: N802 (Horovod's name)
    optimizer: Any,
    name: str | None = None,
    use_locking: bool = False,
    device_dense: str = "",
    device_sparse: str = "",
    compression: type[Compressor] = Compression.none,
    sparse_as_dense: bool = False,
    backward_passes_per_step: int = 1,
    op: int = Average,
    gradient_predivide_factor: float = 1.0,
    average_aggregated_gradients: bool = False,
    num_groups: int = 0,
    groups: Any = None,
    process_set: ProcessSet = global_process_set,
    scale_local_gradients: bool = True,
) -> Any:
    """Return a new optimizer of the same kind and options that combines gradients over all ranks.

    Its gradients travel as one operation, so ``num_groups`` and ``groups`` change nothing.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Not an optimizer of TensorFlow 1.
    compression : Compressor
        ``Compression.none``, ``fp16``, ``bf16``, or one of libeccl's with error feedback:
        ``fp16_feedback``, ``bf16_feedback``, ``int8``, ``topk``, ``dgc()``, ``powersgd``.
    sparse_as_dense : bool
        Combine ``tf.IndexedSlices`` as dense tensors.
    backward_passes_per_step : int
        How many calls add to the gradients before they are combined and applied.
    average_aggregated_gradients : bool
        Divide what was added by ``backward_passes_per_step``.
    op : Op
        Average, Sum or Adasum.
    gradient_predivide_factor : float
        With Average: gradients are divided by it before the sum, and by size / factor after.
    process_set : ProcessSet
        Ranks outside of it keep their own gradients.
    scale_local_gradients : bool
        Divide the gradients of local variables by the number of ranks.
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            f"an optimizer of Keras is needed, not {type(optimizer).__name__}; those of "
            "tf.compat.v1.train are not supported"
        )
    if backward_passes_per_step < 1:
        raise ValueError("backward_passes_per_step is at least 1")
    options = optimizer.get_config()
    check_momentum(compression, options.get("momentum") or 0.0)
    if name is not None:
        options["name"] = name
    combiner = Combiner(
        compression,
        sparse_as_dense,
        op,
        gradient_predivide_factor,
        process_set,
        scale_local_gradients,
    )
    made = _kind(optimizer).from_config(options)
    return _prepare(made, combiner, backward_passes_per_step, average_aggregated_gradients)


def PartialDistributedOptimizer(  # noqa: N802 (Horovod's name)
    optimizer: Any, *arguments: Any, local_layers: Any = None, **options: Any
) -> Any:
    """As `DistributedOptimizer`; the variables of ``local_layers`` (one, or a list) are left to
    each rank.
    """
    made = DistributedOptimizer(optimizer, *arguments, **options)
    layers = local_layers if isinstance(local_layers, (list, tuple, set)) else [local_layers]
    for layer in layers:
        for variable in layer.trainable_weights if layer is not None else ():
            made.register_local_var(variable)
    return made
