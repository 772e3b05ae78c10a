"""``horovod.tensorflow``, served by regatta.hvd.tensorflow."""

from regatta.hvd.tensorflow import *  # noqa: F403
from regatta.hvd.tensorflow import __all__ as __all__
