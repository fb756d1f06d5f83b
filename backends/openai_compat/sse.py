"""Server-sent events from bytes, as the HTML standard reads them, and a little kinder.

Libraries for it insist on the content type, hold a line of any length, and drop what some model servers send:
an `error:` field in place of `data:`, a last event without its blank line.
"""

from __future__ import annotations

from backends._limits import EVENT_BYTES


class EventTooLong(ValueError):
    """A line, or the data of one event, is longer than `limit` bytes."""


class SSEParser:
    """Feed chunks of bytes as they come; get the data of each event that is complete.

    Splits on LF, CRLF and CR; joins the `data` lines of an event with LF; skips comments, other fields and a
    byte order mark. Bytes that are not UTF-8 become U+FFFD.
    """

    def __init__(self, limit: int = EVENT_BYTES) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []  # of the line not yet ended: joined once, so a long line costs no more
        self._size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._begun = False
        self._events: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """Raises `EventTooLong`, after which `rest` holds the events before it."""
        if not self._pieces and not self._data and self._begun and (events := _plain(chunk)) is not None:
            return events
        self._feed(chunk)
        return self.rest()

    def rest(self) -> list[str]:
        """The events that are complete and were not returned."""
        events, self._events = self._events, []
        return events

    def close(self) -> list[str]:
        """The event that the stream ended in, if any of its data is there."""
        self._lines(b"".join(self._pieces).removesuffix(b"\r") + b"\n")
        self._pieces.clear()
        return self.rest()

    def _feed(self, chunk: bytes) -> None:
        held_return = b""
        if b"\r" in chunk or (self._pieces and self._pieces[-1] == b"\r"):
            if self._pieces and self._pieces[-1] == b"\r":
                chunk = self._pieces.pop() + chunk
            if chunk.endswith(b"\r"):  # perhaps half of a CRLF
                chunk, held_return = chunk[:-1], b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = chunk.rfind(b"\n")
        if end < 0:
            self._hold(chunk)
        else:
            block = b"".join((*self._pieces, chunk[:end])) if self._pieces else chunk[:end]
            self._pieces.clear()
            self._size = 0
            self._lines(block)
            self._hold(chunk[end + 1 :])
        if held_return:
            self._pieces.append(held_return)

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            raise EventTooLong(f"a line has more than {self._limit} bytes")

    def _lines(self, block: bytes) -> None:
        if not self._begun and block:
            self._begun = True
            block = block.removeprefix(b"\xef\xbb\xbf")
        for line in block.split(b"\n"):
            if not line:
                if self._data:
                    data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                    self._data, self._data_size = [], 0
                    self._events.append(data.decode("utf-8", "replace"))
            elif line.startswith((b"data:", b"error:")):
                value = line[line.index(b":") + 1 :]
                self._data.append(value[1:] if value.startswith(b" ") else value)
                self._data_size += len(value)
                if self._data_size > self._limit:
                    raise EventTooLong(f"an event has more than {self._limit} bytes")


def _plain(chunk: bytes) -> list[str] | None:
    """The events of a chunk that is nothing but whole ones of one line each, as nearly every chunk is."""
    if not (chunk.startswith(b"data: ") and chunk.endswith(b"\n\n")) or b"\r" in chunk:
        return None
    events = chunk[6:-2].split(b"\n\ndata: ")
    if chunk.count(b"\n") != 2 * len(events):
        return None
    return [str(event, "utf-8", "replace") for event in events]
