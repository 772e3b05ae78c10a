"""A pytest plugin for Horovod's own tests: what they take from Horovod's inside, in our words.

What is a part of Horovod's API comes from the package that regatta.hvd.shim serves.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import threading
import types
import unittest.mock
from collections.abc import Callable, Iterator
from typing import Any


def _in_thread(target: Callable[..., Any], args: tuple[Any, ...] = (), **_: Any) -> Any:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def _rank_and_size() -> tuple[int, int]:
    return int(os.environ["HOROVOD_RANK"]), int(os.environ["HOROVOD_SIZE"])


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    with unittest.mock.patch.dict(os.environ, values):
        yield


def _provide(path: str, **names: Any) -> None:
    parts = path.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            module = types.ModuleType(name)
            module.__path__ = []  # type: ignore[attr-defined]
            sys.modules[name] = module
    for name, value in names.items():
        setattr(module, name, value)


def _provide_for_tensorflow() -> None:
    import tensorflow as tf
    from tensorflow.python.framework import test_util

    _provide("horovod.tensorflow.util", _executing_eagerly=tf.executing_eagerly)
    hvd = importlib.import_module("horovod.tensorflow")
    hvd._executing_eagerly = tf.executing_eagerly  # type: ignore[attr-defined]
    hvd.util = sys.modules["horovod.tensorflow.util"]  # type: ignore[attr-defined]
    # Else each test runs a second time in a session of TensorFlow 1, which is not supported: its
    # graphs have no order, so unnamed operations have other numbers on each rank.
    test_util.run_all_in_graph_and_eager_modes = lambda tests: tests


sys.modules.setdefault("mock", unittest.mock)
_provide("horovod.common.util", env=_environment)
_provide("horovod.runner.util.threads", in_thread=_in_thread)
_provide("horovod.runner.common.util.env", get_env_rank_and_size=_rank_and_size)
if importlib.util.find_spec("tensorflow") is not None:
    _provide_for_tensorflow()
