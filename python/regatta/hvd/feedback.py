"""What compression has not sent yet, by the names of tensors."""

from regatta.eccl import Compressor
from regatta.hvd.requests import Request
from regatta.hvd.wire import Wire

__all__ = ["Feedback"]


class Feedback:
    """Compressors of one engine; used by the background thread only.

    All ranks run the same requests in the same order, those that have joined with zeros, so their
    compressors are of the same age.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], tuple[Request, list[Compressor | None]]] = {}

    def compressors(self, request: Request) -> list[Compressor | None]:
        """Return one for each of a request's tensors, None for what travels as it is."""
        known = self._kept.get(request.key)
        if known is not None:
            before, made = known
            if (before.wire, before.shapes, before.dtypes) == (
                request.wire,
                request.shapes,
                request.dtypes,
            ):
                return made
        wire = Wire(*request.wire)
        made = [
            wire.make(shape) if wire.applies(shape, dtype) else None
            for shape, dtype in zip(request.shapes, request.dtypes, strict=True)
        ]
        if request.cacheable:  # a name that comes again
            self._kept[request.key] = request, made
        return made

    def forget(self, process_set: int) -> None:
        """Drop those of a process set that is no more."""
        for key in [key for key in self._kept if key[0] == process_set]:
            del self._kept[key]
