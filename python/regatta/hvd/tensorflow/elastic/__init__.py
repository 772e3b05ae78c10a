"""Elastic training with TensorFlow: ``hvd.elastic.run``, `TensorFlowState`,
`TensorFlowKerasState`.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from regatta.hvd import basics
from regatta.hvd.elastic import ObjectState, State, run_with
from regatta.hvd.errors import HorovodInternalError
from regatta.hvd.tensorflow.elastic.state import TensorFlowKerasState, TensorFlowState

__all__ = ["ObjectState", "State", "TensorFlowKerasState", "TensorFlowState", "run"]


def run(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``function(state, ...)`` survive changes of the ranks; a decorator.

    When a rank dies, the others go back to the last commit; when hosts come or go, all go on from
    where they are. Either way the ranks meet again, rank 0's state goes to all, and ``function`` is
    called again. Collectives belong inside of it: ranks that are new start there.
    """

    @functools.wraps(function)
    def translated(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except tf.errors.UnknownError as failed:
            # What a node of a graph raises arrives as text.
            if "HorovodInternalError" in str(failed):
                raise HorovodInternalError(str(failed)) from failed
            raise

    return run_with(translated, _start_again)


def _start_again() -> None:
    basics.shutdown()
    basics.init()
