"""``horovod.tensorflow.elastic``."""

from regatta.hvd.tensorflow.elastic import (
    ObjectState,
    State,
    TensorFlowKerasState,
    TensorFlowState,
    run,
)

__all__ = ["ObjectState", "State", "TensorFlowKerasState", "TensorFlowState", "run"]
