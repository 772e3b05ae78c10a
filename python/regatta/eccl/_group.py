"""Groups of calls."""

import threading
from types import TracebackType
from typing import Any

from regatta import _library
from regatta.eccl._types import check


class _Open(threading.local):
    def __init__(self) -> None:
        self.depth = 0
        self.keep: list[Any] = []


_open = _Open()


def keep_in_group(keep: tuple[Any, ...]) -> None:
    """Keep what a call was given until its group is over."""
    if _open.depth:
        _open.keep.extend(keep)


class Group:
    """Runs the calls of its ``with`` block together when the block ends.

    Messages to and from several peers pass at the same time, whatever their order; then collectives
    run in theirs. Communicators of one thread run at the same time, too. Arrays belong to libeccl
    until the block has ended. When the block raises, nothing of it runs: other ranks then wait for
    their calls until the time-out, or until this one aborts.
    """

    def __enter__(self) -> "Group":
        check(_library.load().ecclGroupStart())
        _open.depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        library = _library.load()
        if error is not None:
            # A call that is refused fails the group; this one always is.
            library.ecclBarrier(None)
        result = library.ecclGroupEnd()
        _open.depth -= 1
        if _open.depth == 0:
            _open.keep.clear()
        # The block's own error says more.
        if error is None:
            check(result)
