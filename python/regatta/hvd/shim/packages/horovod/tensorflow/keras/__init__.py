"""``horovod.tensorflow.keras``, served by regatta.hvd.tensorflow.keras."""

from regatta.hvd.tensorflow.keras import *  # noqa: F403
from regatta.hvd.tensorflow.keras import __all__ as __all__
