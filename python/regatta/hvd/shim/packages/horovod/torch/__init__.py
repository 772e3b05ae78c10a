"""``horovod.torch``, served by regatta.hvd.torch."""

from regatta.hvd.torch import *  # noqa: F403
from regatta.hvd.torch import __all__ as __all__
