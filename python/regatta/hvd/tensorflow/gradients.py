"""Gradients combined over all ranks: the tape's."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from regatta.hvd import basics
from regatta.hvd.process_sets import ProcessSet, global_process_set
from regatta.hvd.reductions import Average, Sum
from regatta.hvd.tensorflow.compression import Compression, Compressor
from regatta.hvd.tensorflow.reduce import grouped_allreduce

__all__ = [
    "Combiner",
    "DistributedGradientTape",
    "PartialDistributedGradientTape",
    "reference",
]


class Combiner:
    """Combines lists of gradients, None among them, as one operation."""

    def __init__(
        self,
        compression: type[Compressor],
        sparse_as_dense: bool,
        op: int,
        predivide: float,
        process_set: ProcessSet,
        scale_local: bool,
    ) -> None:
        if predivide != 1.0 and op != Average:
            raise ValueError("gradient_predivide_factor needs op=Average")
        self._compression, self._sparse_as_dense = compression, sparse_as_dense
        self._op, self._predivide = op, predivide
        self.process_set, self._scale_local = process_set, scale_local
        self._local: set[Any] = set()

    def keep_local(self, variable: Any) -> None:
        """Leave the gradients of a variable to this rank."""
        self._local.add(reference(variable))

    def combine(self, gradients: Sequence[Any], variables: Sequence[Any] | None) -> list[Any]:
        """Return the gradients over all ranks; those of local variables divided by their number,
        as those that are averaged are.
        """
        result = list(gradients)
        size = self.process_set.size() or 1
        if size == 1 or not self.process_set.included():
            return result
        chosen = []
        for index, gradient in enumerate(result):
            if gradient is None:
                continue
            if variables is not None and reference(variables[index]) in self._local:
                if self._scale_local:
                    result[index] = _divided(gradient, size)
            else:
                chosen.append(index)
        sources = [
            tf.convert_to_tensor(result[index])
            if self._sparse_as_dense and isinstance(result[index], tf.IndexedSlices)
            else result[index]
            for index in chosen
        ]
        op, prescale, postscale = self._op, 1.0, 1.0
        if self._predivide != 1.0:
            op, prescale, postscale = Sum, 1.0 / self._predivide, self._predivide / size
        combined = grouped_allreduce(
            sources,
            compression=self._compression,
            op=op,
            prescale_factor=prescale,
            postscale_factor=postscale,
            process_set=self.process_set,
            name=self._name([variables[index] for index in chosen] if variables else []),
        )
        for index, one in zip(chosen, combined, strict=True):
            result[index] = one
        return result

    def _name(self, variables: list[Any]) -> Callable[[], str] | None:
        wire = getattr(self._compression, "wire", None)
        if wire is None:
            return None
        if not variables:
            raise ValueError("gradients without their variables cannot be compressed that way")
        key = tuple(reference(variable) for variable in variables)
        return lambda: _names.of(key)


def _divided(gradient: Any, size: int) -> Any:
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient / size
    return tf.IndexedSlices(gradient.values / size, gradient.indices, gradient.dense_shape)


class _Names:
    """Names under which compression keeps what it has not sent.

    A tape is a new one each step, so they go by the variables: numbered when their gradients are
    first combined, in the same order on all ranks, and anew after ``hvd.init()``, where a rank that
    joins an elastic job begins.
    """

    def __init__(self) -> None:
        self._engine: Any = None
        self._numbers: dict[Any, int] = {}

    def of(self, key: tuple[Any, ...]) -> str:
        if basics.engine() is not self._engine:
            self._engine = basics.engine()
            self._numbers.clear()
        return f"gradients.{self._numbers.setdefault(key, len(self._numbers))}"


_names = _Names()


def reference(variable: Any) -> Any:
    """Return what tells variables apart, those of TensorFlow and of Keras, which are around one."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).ref()


class _Tape:
    """A tape of TensorFlow whose gradients are combined."""

    def __init__(self, tape: tf.GradientTape, combiner: Combiner) -> None:
        self._tape, self._combiner = tape, combiner

    def __enter__(self) -> "_Tape":
        self._tape.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._tape.__exit__(*failure)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tape, name)

    def register_local_source(self, source: Any) -> None:
        """Leave the gradients of a variable to this rank."""
        self._combiner.keep_local(source)

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, **options: Any
    ) -> Any:
        """Return the gradients over all ranks, in the structure of ``sources``."""
        found = self._tape.gradient(target, sources, output_gradients, **options)
        flat = tf.nest.flatten(found)
        listed = tf.nest.flatten(sources)
        return tf.nest.pack_sequence_as(sources, self._combiner.combine(flat, listed))


def DistributedGradientTape(  # noqa: N802 (Horovod's name)
    gradtape: tf.GradientTape,
    device_dense: str = "",
    device_sparse: str = "",
    compression: type[Compressor] = Compression.none,
    sparse_as_dense: bool = False,
    op: int = Average,
    gradient_predivide_factor: float = 1.0,
    num_groups: int = 0,
    groups: Any = None,
    process_set: ProcessSet = global_process_set,
    scale_local_gradients: bool = True,
) -> Any:
    """Wrap a tape so that its gradients are those of all ranks.

    All gradients of a call travel as one operation, so ``num_groups`` and ``groups`` change
    nothing.

    Parameters
    ----------
    compression : Compressor
        ``Compression.none``, ``fp16``, ``bf16``, or one of libeccl's with error feedback:
        ``fp16_feedback``, ``bf16_feedback``, ``int8``, ``topk``, ``dgc()``, ``powersgd``.
    sparse_as_dense : bool
        Combine ``tf.IndexedSlices`` as dense tensors.
    op : Op
        Average, Sum or Adasum.
    gradient_predivide_factor : float
        With Average: gradients are divided by it before the sum, and by size / factor after, to
        keep 16-bit sums in range.
    process_set : ProcessSet
        Ranks outside of it keep their own gradients.
    scale_local_gradients : bool
        Divide the gradients of local variables by the number of ranks.
    """
    combiner = Combiner(
        compression,
        sparse_as_dense,
        op,
        gradient_predivide_factor,
        process_set,
        scale_local_gradients,
    )
    return _Tape(gradtape, combiner)


def PartialDistributedGradientTape(  # noqa: N802 (Horovod's name)
    gradtape: tf.GradientTape, *arguments: Any, local_layers: Any = None, **options: Any
) -> Any:
    """As `DistributedGradientTape`; the variables of ``local_layers`` (one, or a list) are left to
    each rank.
    """
    tape = DistributedGradientTape(gradtape, *arguments, **options)
    layers = local_layers if isinstance(local_layers, (list, tuple, set)) else [local_layers]
    for layer in layers:
        for variable in layer.trainable_weights if layer is not None else ():
            tape.register_local_source(variable)
    return tape
