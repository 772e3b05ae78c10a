"""Horovod's API over libeccl; import ``regatta.hvd.torch as hvd``."""
