"""Elastic training with Keras: `KerasState`, and callbacks that commit it."""

from typing import Any

import keras

from regatta.hvd.tensorflow.elastic import run
from regatta.hvd.tensorflow.elastic.state import TensorFlowKerasState

__all__ = [
    "CommitStateCallback",
    "KerasState",
    "UpdateBatchStateCallback",
    "UpdateEpochStateCallback",
    "run",
]


class KerasState(TensorFlowKerasState):
    """State of a training loop with a model of Keras; see `TensorFlowKerasState`."""


class CommitStateCallback(keras.callbacks.Callback):
    """Commit the state every so many batches, and at the end of an epoch."""

    def __init__(self, state: Any, batches_per_commit: int = 1) -> None:
        super().__init__()
        self.state = state
        self.batches_per_commit = batches_per_commit
        self._left = batches_per_commit

    def on_train_begin(self, logs: Any = None) -> None:
        """Count from here: ranks that are new begin there."""
        self._left = self.batches_per_commit

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Commit, if it is time."""
        self._left -= 1
        if self._left == 0:
            self.state.commit()
            self._left = self.batches_per_commit

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Commit."""
        self.state.commit()


class UpdateBatchStateCallback(keras.callbacks.Callback):
    """Keep ``state.batch``, the batches of the epoch that are done.

    Keras 3 cannot be told to begin within an epoch: who restores a state leaves them out of the
    data that ``fit`` gets.
    """

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.state = state
        self._first = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Count on from the state's."""
        self._first = self.state.batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count."""
        self.state.batch = self._first + batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Begin again."""
        self.state.batch = self._first = 0


class UpdateEpochStateCallback(keras.callbacks.Callback):
    """Keep ``state.epoch``, counted from the first `fit` of the job."""

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.state = state
        self._first = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Count on from the state's."""
        self._first = self.state.epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count."""
        self.state.epoch = self._first + epoch + 1
