"""Exceptions with Horovod's names."""

__all__ = ["HorovodInternalError"]


class HorovodInternalError(RuntimeError):
    """A collective failed: a rank died, hangs, left, or submitted something else.

    The text names the rank and what it did. The job cannot go on with these ranks.
    """
