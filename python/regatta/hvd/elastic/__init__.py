"""Jobs whose ranks come and go: what all frameworks share."""

from regatta.hvd.elastic.state import ObjectState, State, run_with

__all__ = ["ObjectState", "State", "run_with"]
