"""Buffers bytes until an event is complete, without pictures and sounds that are too large to keep: a reply
only names them, so megabytes of base64 need not be buffered, decoded and parsed."""

from __future__ import annotations

import re

from backends.media import KEPT_BYTES, KEPT_REPLY_BYTES
from backends.openai_compat.limits import EVENT_BYTES, MEDIA_BYTES

PIECE = 64 << 10
"""What is held beyond this is looked at for base64."""

KEPT_CHARS = KEPT_BYTES * 4 // 3 + 8
"""Of base64, of a picture or sound that is kept."""

KEPT_ALL_CHARS = KEPT_REPLY_BYTES * 4 // 3 + 8
"""Of all of them in one event."""

_SURE = 1000
"""So many characters of it in a row are no words."""
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-"
_HEAD = re.compile(rb';base64,\Z|"(?:data|b64_json|image|result)"\s{0,9}:\s{0,9}"\Z')
"""Behind this it is a picture or sound."""
_HEAD_BYTES = 40
_PASSED = re.compile(r"-passed-(\d{1,12})-")


class EventTooLong(ValueError):
    """The event exceeds the limit without its base64, or the base64 exceeds `MEDIA_BYTES`."""


class HeldBytes:
    """Skipped base64 is replaced by a note of its length, see `base64_chars`."""

    def __init__(self, limit: int = EVENT_BYTES) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._size = 0
        self._end = b""
        self._run = 0  # bytes of base64 that the pieces end in
        self._media = False  # that is a picture or sound
        self._passed = 0  # behind them
        self._passed_in_all = 0
        self._kept = 0  # bytes of base64 that are held beside the size

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes) -> None:
        """Raises `EventTooLong`."""
        if len(data) <= PIECE:
            self._add(data)
            return
        for at in range(0, len(data), PIECE):
            self._add(data[at : at + PIECE])

    def take(self) -> bytes:
        """All buffered bytes; the buffer is then empty."""
        self._note()
        held = b"".join(self._pieces)
        self._pieces.clear()
        self._begin()
        return held

    def _add(self, piece: bytes) -> None:
        if self._media and self._run >= _SURE and self._size > PIECE:
            rest = piece.lstrip(_BASE64)
            self._take_base64(piece[: len(piece) - len(rest)])
            piece = rest
        if not piece:
            return
        self._note()
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            raise EventTooLong
        self._look(piece)

    def _take_base64(self, piece: bytes) -> None:
        count = len(piece)
        if not self._passed and self._run + count <= KEPT_CHARS and self._kept + count <= KEPT_ALL_CHARS:
            self._pieces.append(piece)
            self._run += count
            self._kept += count
            return
        self._passed += count
        if self._passed + self._passed_in_all > MEDIA_BYTES:
            raise EventTooLong

    def _look(self, piece: bytes) -> None:
        front = piece.rstrip(_BASE64)
        self._run = len(piece) - len(front) + (0 if front else self._run)
        if front:
            self._media = _HEAD.search((self._end + front)[-_HEAD_BYTES:]) is not None
        self._end = (self._end + piece)[-_HEAD_BYTES:]

    def _note(self) -> None:
        if self._passed:
            self._pieces.append(b"-passed-%d-" % self._passed)
            self._passed_in_all += self._passed
            self._passed = 0


def base64_chars(text: str) -> int:
    """The number of base64 characters, including those skipped."""
    if "-passed-" not in text:
        return len(text)
    return len(text) + sum(int(note[1]) - len(note[0]) for note in _PASSED.finditer(text))
