"""Calls that were submitted and are waited for later."""

import collections
import ctypes
import threading
from typing import Any

from regatta import _library
from regatta.eccl._types import EcclError, Result, last_error


class Request:
    """A call of a communicator that was submitted; see `Communicator.submit`.

    Arrays that it was given are kept alive until it is over, and must not be written to or, where
    it fills them, read before. Any thread may use it.
    """

    def __init__(self, handle: int, function: str, keep: tuple[Any, ...]) -> None:
        self._library = _library.load()
        self._handle = handle
        self._function = function
        self._keep = keep
        self._lock = threading.Lock()
        self._over = False
        self._error: EcclError | None = None

    def done(self) -> bool:
        """Return whether it is over, well or not; never waits."""
        if self._over:
            return True
        state = ctypes.c_int()
        found = self._library.ecclRequestTest(self._handle, ctypes.byref(state)) == Result.SUCCESS
        if found and state.value == Result.IN_PROGRESS:
            return False
        # A handle that is not found has just been taken by a thread that waited: it is over, too.
        self.exception()
        return True

    def exception(self, timeout: float | None = None) -> EcclError | None:
        """Wait until it is over; return how it failed, None when it ended well.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait; without limit when left out.

        Raises
        ------
        TimeoutError
            When it is not over by then. It goes on.
        """
        if not self._lock.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            raise TimeoutError(f"{self._function} was not over within {timeout} s")
        try:
            if not self._over:
                self._take(timeout)
            return self._error
        finally:
            self._lock.release()

    def wait(self, timeout: float | None = None) -> None:
        """Wait as `exception` does, and raise what it returns."""
        error = self.exception(timeout)
        if error is not None:
            raise error

    def _take(self, timeout: float | None) -> None:
        limit = -1 if timeout is None else round(max(timeout, 0) * 1000)
        result = self._library.ecclRequestWait(self._handle, limit)
        if result == Result.IN_PROGRESS:
            raise TimeoutError(f"{self._function} was not over within {timeout} s")
        if result != Result.SUCCESS:
            self._error = EcclError(result, last_error())
        self._keep = ()
        self._over = True


# Requests of each communicator's handle which may not be over: their arrays must live although
# nobody holds the request, or the communicator, any more.
_pending: dict[int, collections.deque[Request]] = {}
_pending_lock = threading.Lock()


def keep_until_over(comm: int, request: Request) -> None:
    """Keep a request's arrays; calls end in their order, so those in front are over first."""
    with _pending_lock:
        requests = _pending.setdefault(comm, collections.deque())
        requests.append(request)
        while requests and requests[0].done():
            requests.popleft()


def wait_for_all(comm: int) -> None:
    """Wait for what was submitted to a communicator that has ended."""
    with _pending_lock:
        requests = _pending.pop(comm, ())
    for request in requests:
        request.exception()
