"""``horovod.common.process_sets``."""

from regatta.hvd.basics import add_process_set, remove_process_set
from regatta.hvd.process_sets import ProcessSet, global_process_set

__all__ = ["ProcessSet", "add_process_set", "global_process_set", "remove_process_set"]
