"""Where in the program calls are made, for errors, flight records and `regatta eccl status`."""

import os
import pathlib
import sys
import threading
from collections.abc import Callable

from regatta import _library

# Frames of these files are regatta's own.
_PACKAGE = str(pathlib.Path(__file__).resolve().parent.parent) + os.sep
_automatic = os.environ.get("ECCL_CALL_SITES", "1") != "0"


# Formatted once a line of the program.
_texts: dict[tuple[str, int], bytes] = {}


class _Thread(threading.local):
    by_hand = False


_thread = _Thread()
# Whether any thread has: the others need not look.
_any_by_hand = False
_tell: Callable[[bytes | None], object] | None = None


def set_call_site(text: str | None) -> None:
    """Say where, or for what, this thread makes its next calls.

    Left alone, or with None, each call shows the file and line that made it, outside of this
    package; ``ECCL_CALL_SITES=0`` in the environment switches that off.
    """
    global _any_by_hand
    _thread.by_hand = text is not None
    _any_by_hand = _any_by_hand or text is not None
    _library.call_site_setter()(text.encode() if text is not None else None)


def mark() -> None:
    """Tell libeccl the file and line of the caller of the method that calls a `_make`."""
    global _tell
    if not _automatic or (_any_by_hand and _thread.by_hand):
        return
    frame = sys._getframe(3)
    name = frame.f_code.co_filename
    while name.startswith(_PACKAGE):
        if frame.f_back is None:
            return
        frame = frame.f_back
        name = frame.f_code.co_filename
    place = (name, frame.f_lineno)
    text = _texts.get(place)
    if text is None:
        text = _texts[place] = f"{name}:{place[1]}".encode(errors="replace")
    if _tell is None:
        _tell = _library.call_site_setter()
    _tell(text)
