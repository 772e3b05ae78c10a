"""What ``model.fit`` calls: one state for all ranks, common metrics, learning rates."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from regatta.hvd import basics
from regatta.hvd.tensorflow.functions import broadcast_variables
from regatta.hvd.tensorflow.gradients import reference
from regatta.hvd.tensorflow.reduce import grouped_allreduce

__all__ = [
    "BroadcastGlobalVariablesCallback",
    "LearningRateScheduleCallback",
    "LearningRateWarmupCallback",
    "MetricAverageCallback",
]


class BroadcastGlobalVariablesCallback(keras.callbacks.Callback):
    """Bring the model and its optimizer to the state of ``root_rank``.

    That is after the first batch, when all variables exist.

    Parameters
    ----------
    local_variables : list of variables, optional
        What is left to each rank.
    """

    def __init__(self, root_rank: int, device: str = "", local_variables: Any = None) -> None:
        super().__init__()
        self.root_rank = root_rank
        self.broadcast_done = False
        self._local = {reference(one) for one in local_variables or ()}

    def register_local_var(self, variable: Any) -> None:
        """Leave a variable to each rank."""
        self._local.add(reference(variable))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Act once."""
        if self.broadcast_done:
            return
        optimizer = getattr(self.model, "optimizer", None)
        listed = [*self.model.variables, *(optimizer.variables if optimizer else ())]
        unique = {reference(one): one.value for one in listed}
        broadcast_variables(
            [one for key, one in unique.items() if key not in self._local], self.root_rank
        )
        self.broadcast_done = True


class MetricAverageCallback(keras.callbacks.Callback):
    """Average an epoch's metrics over all ranks, before callbacks that come later see them."""

    def __init__(self, device: str = "") -> None:
        super().__init__()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Replace the numbers in ``logs``."""
        if not logs or basics.size() == 1:
            return
        names = sorted(logs)  # the same order on all ranks
        values = [tf.constant(float(logs[name]), tf.float64) for name in names]
        for name, mean in zip(names, grouped_allreduce(values), strict=True):
            logs[name] = float(mean)


class LearningRateScheduleCallback(keras.callbacks.Callback):
    """Set the learning rate to ``initial_lr`` times a multiplier, from one epoch to another.

    Parameters
    ----------
    multiplier : float or callable
        A function of the epoch, which has a fraction unless ``staircase``.
    start_epoch, end_epoch : int
        The first one, and the first one that it no longer applies to.
    staircase : bool
        Change at the begin of epochs only; else with each batch.
    momentum_correction : bool
        When the rate changes, the sums of earlier steps change with it: Goyal et al., "Accurate,
        Large Minibatch SGD", 2017, section 3.
    steps_per_epoch : int, optional
        Batches of an epoch, where ``model.fit`` cannot know.
    """

    def __init__(
        self,
        initial_lr: float,
        multiplier: "float | Callable[[float], float]",
        start_epoch: int = 0,
        end_epoch: int | None = None,
        staircase: bool = True,
        momentum_correction: bool = True,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__()
        if initial_lr is None:
            raise ValueError("initial_lr is needed")
        self.initial_lr = initial_lr
        self.start_epoch, self.end_epoch = start_epoch, end_epoch
        # A rate that does not depend on the epoch has no steps within one.
        self.staircase = staircase or not callable(multiplier)
        self.momentum_correction = momentum_correction
        self.steps_per_epoch = steps_per_epoch
        self.current_epoch = 0
        self.multiplier = multiplier if callable(multiplier) else (lambda epoch: multiplier)

    def _adjust(self, epoch: float) -> None:
        optimizer = self.model.optimizer
        before = float(optimizer.learning_rate)
        after = self.initial_lr * self.multiplier(epoch)
        optimizer.learning_rate = after
        if self.momentum_correction and getattr(optimizer, "momentum", 0) and before > 0:
            # Keras adds steps that have the rate in them; its momentum is a constant of the graph.
            for total in getattr(optimizer, "momentums", ()):
                total.assign(total.value * (after / before))

    def on_train_begin(self, logs: Any = None) -> None:
        """Find out how many batches an epoch has."""
        if not self.staircase and not self.steps_per_epoch:
            self.steps_per_epoch = self.params.get("steps")
            if not self.steps_per_epoch:
                raise ValueError("give steps_per_epoch: model.fit does not know it")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self.current_epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate, if it is time."""
        epoch = self.current_epoch
        if epoch < self.start_epoch or (self.end_epoch is not None and epoch >= self.end_epoch):
            return
        if self.staircase:
            if batch == 0:
                self._adjust(epoch)
        else:
            self._adjust(epoch + batch / self.steps_per_epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the rate under "lr"."""
        if logs is not None:
            logs["lr"] = float(np.asarray(self.model.optimizer.learning_rate))


class LearningRateWarmupCallback(LearningRateScheduleCallback):
    """Raise the learning rate over some epochs from that of one rank to ``initial_lr``.

    Parameters
    ----------
    initial_lr : float
        The rate for all ranks together, usually that of one times ``hvd.size()``.
    warmup_epochs : int
        After which ``initial_lr`` is reached.
    verbose : int
        1: say when that is.
    """

    def __init__(
        self,
        initial_lr: float,
        warmup_epochs: int = 5,
        momentum_correction: bool = True,
        steps_per_epoch: int | None = None,
        verbose: int = 0,
    ) -> None:
        def multiplier(epoch: float) -> float:
            size = basics.size()
            # One batch on: so that the last batch of the warm-up has the whole rate.
            reached = epoch + 1.0 / (self.steps_per_epoch or 1)
            return 1.0 / size * (reached * (size - 1) / warmup_epochs + 1)

        super().__init__(
            initial_lr, multiplier, 0, warmup_epochs, False, momentum_correction, steps_per_epoch
        )
        self.verbose = verbose

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the rate, and say when the warm-up is over."""
        super().on_epoch_end(epoch, logs)
        if self.end_epoch is not None and epoch == self.end_epoch - 1 and self.verbose > 0:
            rate = float(self.model.optimizer.learning_rate)
            print(f"\nEpoch {epoch + 1}: finished gradual learning rate warmup to {rate:g}.")
