"""State of a training loop in TensorFlow: variables, models, and plain values."""

from collections.abc import Iterable
from typing import Any

from regatta.hvd import basics
from regatta.hvd.arrays.objects import broadcast_object
from regatta.hvd.elastic.state import ObjectState
from regatta.hvd.tensorflow.gather import broadcast_

__all__ = ["TensorFlowKerasState", "TensorFlowState"]


class TensorFlowState(ObjectState):
    """State of a training loop.

    Parameters
    ----------
    variables : iterable of tf.Variable
        In the same order on all ranks.
    **values : object
        Plain values; each an attribute of this object.
    """

    def __init__(
        self, variables: "Iterable[Any] | None" = None, session: Any = None, **values: Any
    ) -> None:
        if session is not None:
            raise ValueError("sessions of TensorFlow 1 are not supported")
        self.variables = list(variables or ())
        self._keep()
        super().__init__(broadcast_object, basics.rank, **values)

    def _listed(self) -> list[Any]:
        return self.variables

    def _keep(self) -> None:
        self._kept = [variable.numpy() for variable in self._listed()]

    def save(self) -> None:
        """Keep copies of everything in memory."""
        self._keep()
        super().save()

    def restore(self) -> None:
        """Bring everything back to the last copies."""
        for variable, kept in zip(self._listed(), self._kept, strict=False):
            variable.assign(kept)
        super().restore()

    def sync(self) -> None:
        """Bring everything to the state of rank 0."""
        broadcast_(self._listed(), 0)
        self._keep()
        super().sync()


class TensorFlowKerasState(TensorFlowState):
    """State of a training loop with a model of Keras.

    Parameters
    ----------
    model : keras.Model
    optimizer : keras.optimizers.Optimizer, optional
        The model's own unless given. Its variables are made at once, from the model's.
    **values : object
        Plain values, such as ``epoch`` and ``batch``; each an attribute of this object.
    """

    def __init__(
        self, model: Any, optimizer: Any = None, backend: Any = None, **values: Any
    ) -> None:
        self.model = model
        self.optimizer = optimizer if optimizer is not None else getattr(model, "optimizer", None)
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(model.trainable_variables)
        super().__init__(None, **values)

    def _listed(self) -> list[Any]:
        mine = [*self.model.variables, *(self.optimizer.variables if self.optimizer else ())]
        # A compiled model's variables have its optimizer's among them.
        return [variable.value for variable in {id(one): one for one in mine}.values()]
