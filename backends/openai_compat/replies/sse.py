"""Parses server-sent events from bytes, as the HTML standard specifies, with some leniency.

Libraries for it insist on the content type, buffer lines of any length, and drop what some model servers
send: an `error:` field in place of `data:`, or a last event without its blank line.
"""

from __future__ import annotations

from backends.openai_compat.limits import EVENT_BYTES
from backends.openai_compat.replies.held import KEPT_ALL_CHARS, PIECE, EventTooLong, HeldBytes


class SSEParser:
    """Feed it chunks of bytes as they arrive; get the data of each complete event.

    Splits on LF, CRLF and CR; joins the `data` lines of an event with LF; skips comments, other fields and a
    byte order mark. Bytes that are not UTF-8 become U+FFFD.
    """

    def __init__(self, limit: int = EVENT_BYTES) -> None:
        self._limit = limit
        self._line = HeldBytes(limit)  # the one not yet ended
        self._returned = False  # a CR, perhaps half of a CRLF, comes behind it
        self._data: list[bytes] = []
        self._data_size = 0
        self._pictures = False  # in it
        self._begun = False
        self._events: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """Raises `EventTooLong`, after which `rest` holds the events before it."""
        if self._begun and not (self._data or self._returned or self._line) and len(chunk) <= PIECE:
            events = _plain(chunk)
            if events is not None:
                return events
        self._feed(chunk)
        return self.rest()

    def rest(self) -> list[str]:
        """Complete events that were not returned yet."""
        events, self._events = self._events, []
        return events

    def close(self) -> list[str]:
        """The event in which the stream ended, if any of its data has arrived."""
        self._returned = False
        self._lines(self._line.take() + b"\n")
        return self.rest()

    def _feed(self, chunk: bytes) -> None:
        if self._returned:
            chunk, self._returned = b"\r" + chunk, False
        if b"\r" in chunk:
            if chunk.endswith(b"\r"):
                chunk, self._returned = chunk[:-1], True
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._line or len(chunk) > PIECE:
            *lines, chunk = chunk.split(b"\n")
            for line in lines:
                self._line.add(line)
                self._lines(self._line.take())
        elif (end := chunk.rfind(b"\n")) >= 0:
            self._lines(chunk[:end])
            chunk = chunk[end + 1 :]
        self._line.add(chunk)

    def _lines(self, block: bytes) -> None:
        if not self._begun and block:
            self._begun = True
            block = block.removeprefix(b"\xef\xbb\xbf")
        for line in block.split(b"\n"):
            if not line:
                if self._data:
                    data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                    self._data, self._data_size, self._pictures = [], 0, False
                    self._events.append(data.decode("utf-8", "replace"))
            elif line[:6].lower().startswith((b"data:", b"error:")):
                value = line[line.index(b":") + 1 :]
                self._data.append(value[1:] if value.startswith(b" ") else value)
                self._data_size += len(value)
                # Without one no line is so long.
                self._pictures = self._pictures or len(value) > self._limit
                if self._data_size > self._limit + KEPT_ALL_CHARS * self._pictures:
                    raise EventTooLong


def _plain(chunk: bytes) -> list[str] | None:
    """The events of a chunk that consists of complete one-line events only, as nearly every chunk does."""
    if not (chunk.startswith(b"data: ") and chunk.endswith(b"\n\n")) or b"\r" in chunk:
        return None
    events = chunk[6:-2].split(b"\n\ndata: ")
    if chunk.count(b"\n") != 2 * len(events):
        return None
    return [str(event, "utf-8", "replace") for event in events]
