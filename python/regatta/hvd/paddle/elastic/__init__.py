"""Elastic training with Paddle: ``hvd.elastic.run``, `PaddleState`."""

from collections.abc import Callable
from typing import Any

from regatta.hvd import basics
from regatta.hvd.elastic import ObjectState, State, run_with
from regatta.hvd.paddle.elastic.state import PaddleState

__all__ = ["ObjectState", "PaddleState", "State", "run"]


def run(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``function(state, ...)`` survive changes of the ranks; a decorator.

    When a rank dies, the others go back to the last commit; when hosts come or go, all go on from
    where they are. Either way the ranks meet again, rank 0's state goes to all, and ``function`` is
    called again. Collectives belong inside of it: ranks that are new start there.
    """
    return run_with(function, _start_again)


def _start_again() -> None:
    basics.shutdown()
    basics.init()
