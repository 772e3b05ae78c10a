"""Horovod's API for Keras, as ``regatta.hvd.tensorflow.keras`` has it."""

from regatta.hvd.tensorflow.keras import *  # noqa: F403
from regatta.hvd.tensorflow.keras import __all__ as __all__
from regatta.hvd.tensorflow.keras import callbacks as callbacks
from regatta.hvd.tensorflow.keras import elastic as elastic
