"""One rank's end of a communicator."""

import ctypes
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TypedDict, Unpack

from regatta import _library
from regatta.eccl import _group, _request, _sites
from regatta.eccl._arrays import refuse_devices
from regatta.eccl._calls import Calls
from regatta.eccl._identity import get_unique_id, unique_id_from_environment
from regatta.eccl._request import Request
from regatta.eccl._types import EcclError, OpInfo, UniqueId, check, last_error


class Options(TypedDict, total=False):
    """Options of a communicator, as in ``ecclConfig_t``."""

    timeout_ms: int
    init_timeout_ms: int
    transport: str | None
    algorithm: str | None
    job_token: str | None
    host: str | None
    exact: bool
    device: str | None


def _config(options: Options) -> _library.Config:
    names = ("transport", "algorithm", "job_token", "host", "device")
    texts = {name: options.get(name) for name in names}
    coded = {name: text.encode() for name, text in texts.items() if isinstance(text, str)}
    return _library.Config(
        size=ctypes.sizeof(_library.Config),
        timeout_ms=options.get("timeout_ms", 0),
        init_timeout_ms=options.get("init_timeout_ms", 0),
        exact=options.get("exact", False),
        **coded,
    )


def _device(options: Options) -> str:
    """Return the device that libeccl takes; "" for the host."""
    device = options.get("device") or os.environ.get("ECCL_DEVICE", "")
    return "" if device == "cpu" else device


class Submitter(Calls[Request]):
    """The calls of a communicator, submitted; as ``communicator.submit``."""

    def __init__(self, rank: int, size: int, handle: int, device: str) -> None:
        self.rank = rank
        self.size = size
        self._device = device
        self._library = _library.load()
        self._handle = handle

    def _make(self, function: str, arguments: tuple[Any, ...], keep: tuple[Any, ...]) -> Request:
        _sites.mark()
        if not self._device:
            refuse_devices(keep)
        handle = ctypes.c_void_p()
        submit = getattr(self._library, function + "Async")
        check(submit(*arguments, self._handle, ctypes.byref(handle)))
        request = Request(handle.value or 0, function, keep)
        _request.keep_until_over(self._handle, request)
        return request


class Communicator(Calls[None]):
    """One rank's end of a communicator; leaves it when closed.

    Parameters
    ----------
    rank, size : int
        This rank and the number of ranks.
    unique_id : UniqueId, optional
        Where to meet; from the environment when left out.
    timeout_ms, init_timeout_ms, transport, algorithm, job_token, host, exact, device
        As in ``ecclConfig_t``; left out, they come from the environment.

    ``submit`` has the same calls, which return a `Request` at once: they run in the order in which
    they were made, also between those that are not submitted, while the program goes on.

    Raises
    ------
    EcclError
        When the ranks do not come together.
    """

    def __init__(
        self,
        rank: int,
        size: int,
        unique_id: UniqueId | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._handle: int | None = None
        if unique_id is None:
            unique_id = get_unique_id() if size == 1 else unique_id_from_environment()
        config = _config(options)
        handle = ctypes.c_void_p()
        raw = _library.UniqueIdBytes.from_buffer_copy(unique_id.data)
        check(
            _library.load().ecclCommInitRankConfig(
                ctypes.byref(handle), size, raw, rank, ctypes.byref(config)
            )
        )
        self._adopt(handle, rank, size, _device(options))

    def _adopt(self, handle: ctypes.c_void_p, rank: int, size: int, device: str) -> None:
        self._device = device
        self._library = _library.load()
        self._handle = handle.value
        self.rank = rank
        self.size = size
        self.submit = Submitter(rank, size, handle.value or 0, device)

    def _made(self, handle: ctypes.c_void_p, options: Options) -> "Communicator":
        """Cover a communicator that libeccl has made of another one."""
        made = self.__class__.__new__(self.__class__)
        library = _library.load()
        rank, size = ctypes.c_int(), ctypes.c_int()
        check(library.ecclCommUserRank(handle, ctypes.byref(rank)))
        check(library.ecclCommCount(handle, ctypes.byref(size)))
        made._adopt(handle, rank.value, size.value, _device(options) if options else self._device)
        return made

    def _make(self, function: str, arguments: tuple[Any, ...], keep: tuple[Any, ...]) -> None:
        _sites.mark()
        if not self._device:
            refuse_devices(keep)
        check(getattr(self._library, function)(*arguments, self._handle))
        _group.keep_in_group(keep)

    def __enter__(self) -> "Communicator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error the others must not be left waiting for this rank.
        if error is None:
            self.close()
        else:
            self.abort()

    def close(self) -> None:
        """Leave in order, when all that was submitted is over. Closing twice is fine."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            check(self._library.ecclCommDestroy(handle))
            _request.wait_for_all(handle)

    def abort(self) -> None:
        """Leave at once: calls and requests in progress fail, here and on the other ranks."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            check(self._library.ecclCommAbort(handle))
            _request.wait_for_all(handle)

    def split(
        self, color: int | None, key: int = 0, **options: Unpack[Options]
    ) -> "Communicator | None":
        """Make one communicator for each color, its ranks in the order of their keys.

        A collective. Returns None where ``color`` is None. Options left out are this
        communicator's, if none is given at all.
        """
        made = ctypes.c_void_p()
        check(
            self._library.ecclCommSplit(
                self._handle,
                -1 if color is None else color,
                key,
                ctypes.byref(made),
                _given(options),
            )
        )
        return self._made(made, options) if made.value else None

    def shrink(self, excluded: Iterable[int], **options: Unpack[Options]) -> "Communicator":
        """Make a communicator of the ranks that are not excluded; this one may have failed.

        All ranks that remain give the same ranks to exclude. Abort this one afterwards when it has
        failed.
        """
        ranks = list(excluded)
        made = ctypes.c_void_p()
        check(
            self._library.ecclCommShrink(
                self._handle,
                (ctypes.c_int * len(ranks))(*ranks),
                len(ranks),
                ctypes.byref(made),
                _given(options),
            )
        )
        return self._made(made, options)

    def unique_id(self) -> UniqueId:
        """Make the id for `grow`, on rank 0, and listen there."""
        raw = _library.UniqueIdBytes()
        check(self._library.ecclCommGetUniqueId(self._handle, ctypes.byref(raw)))
        return UniqueId(bytes(raw))

    def grow(
        self, size: int, unique_id: UniqueId | None = None, **options: Unpack[Options]
    ) -> "Communicator":
        """Make a communicator of ``size`` ranks, of which these keep their numbers.

        A collective. Rank 0 gives what its `unique_id` made. The new ranks join with
        ``Communicator(rank, size, unique_id)``, ranks from this one's size on.
        """
        raw = None
        if unique_id is not None:
            raw = ctypes.byref(_library.UniqueIdBytes.from_buffer_copy(unique_id.data))
        made = ctypes.c_void_p()
        check(
            self._library.ecclCommGrow(
                self._handle, size, raw, -1, ctypes.byref(made), _given(options)
            )
        )
        return self._made(made, options)

    def lost_ranks(self) -> list[int]:
        """Return the ranks whose processes are gone, as far as this rank has heard."""
        ranks = (ctypes.c_int * self.size)()
        count = ctypes.c_int()
        check(
            self._library.ecclCommGetLostRanks(self._handle, ranks, self.size, ctypes.byref(count))
        )
        return list(ranks[: count.value])

    def error(self) -> EcclError | None:
        """Return why the communicator has failed, None when it has not; never waits."""
        state = ctypes.c_int()
        check(self._library.ecclCommGetAsyncError(self._handle, ctypes.byref(state)))
        return EcclError(state.value, last_error()) if state.value else None

    def set_timeout(self, timeout_ms: int) -> None:
        """Let calls fail after so long without progress; also one that waits at this moment."""
        check(self._library.ecclCommSetTimeout(self._handle, timeout_ms))

    def set_stream(self, stream: int) -> None:
        """Let calls wait for the work on a stream of this rank's device, given by its handle.

        For torch that is ``torch.cuda.current_stream().cuda_stream``. At first calls wait for the
        default stream.
        """
        check(self._library.ecclCommSetStream(self._handle, stream))

    def last_op(self) -> OpInfo:
        """Return what ended well last."""
        info = _library.OpInfo()
        check(self._library.ecclCommGetLastOp(self._handle, ctypes.byref(info)))
        return OpInfo(
            info.sequence,
            info.operation.decode(),
            info.algorithm.decode(),
            info.transport.decode(),
            info.microseconds,
            info.reason.decode(),
        )


def _given(options: Options) -> Any:
    """Options for a communicator made of another; None stands for the other one's."""
    return ctypes.byref(_config(options)) if options else None
