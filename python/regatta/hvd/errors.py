"""Exceptions with Horovod's names."""

__all__ = ["HorovodInternalError", "HostsUpdatedInterrupt"]


class HorovodInternalError(RuntimeError):
    """A collective failed: a rank died, hangs, left, or submitted something else.

    The text names the rank and what it did. Unless it was a mismatch, the job cannot go on with
    these ranks; an elastic one restores its last commit and meets again.
    """


class HostsUpdatedInterrupt(RuntimeError):  # noqa: N818 (Horovod's name)
    """The hosts of an elastic job have changed; nothing is lost, but the ranks meet again.

    Parameters
    ----------
    skip_sync : bool
        Hosts were only taken away: who stays has the current state and need not synchronize.
    """

    def __init__(self, skip_sync: bool) -> None:
        super().__init__("the hosts of this job have changed")
        self.skip_sync = skip_sync
