"""The body of an answer, from bytes to events. Its format is detected from the first byte, whatever its
content type says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from backends.errors import BackendError, BadResponse
from backends.openai_compat.limits import EVENT_BYTES, SAID_CHARS
from backends.openai_compat.replies.held import EventTooLong, HeldBytes
from backends.openai_compat.replies.reply import Reply
from backends.openai_compat.replies.sse import SSEParser
from backends.types import Event

_BLANKS = re.compile(r"\s*")
_FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:")


class BodyReader:
    """An event stream, JSON in lines or as a whole, or a web page, which is neither. place: the host, for
    errors."""

    def __init__(self, reply: Reply, place: str) -> None:
        self._reply = reply
        self._place = place
        self._parser = SSEParser()
        self._sniffed = False
        self._begin: bytes | None = b""  # of a stream that had no event yet
        self._json: HeldBytes | None = None  # of what begins as JSON does
        self._lined: bool | None = None  # whether each line of that is a chunk; `None`: not known yet
        self._lines = 0

    def feed(self, chunk: bytes) -> tuple[list[Event], BackendError | None]:
        """The events in a piece of the body, and the error that follows them, if any."""
        failure = None
        try:
            self._feed(chunk)
        except BackendError as error:
            failure = error
        except EventTooLong:
            failure = BadResponse(
                f"{self._place} sent more than {EVENT_BYTES >> 20} MiB at once.",
                cure="Ask for a shorter reply, or configure the endpoint to send smaller chunks.",
            )
        return self._reply.take(), failure

    def close(self) -> tuple[list[Event], BackendError | None]:
        """The same for the end of the body."""
        failure = None
        try:
            if self._json is not None:
                self._read_json(self._json.take())
            else:
                events = self._parser.close()
                self._read(events)
                if not events:
                    self._note_words()
        except BackendError as error:
            failure = error
        return self._reply.take(), failure

    def _feed(self, chunk: bytes) -> None:
        if not self._sniffed:
            self._sniff(chunk)
        if self._json is not None:
            self._feed_json(self._json, chunk)
            return
        if self._begin is not None:
            self._begin = (self._begin + chunk)[:SAID_CHARS]
        try:
            events = self._parser.feed(chunk)
        except EventTooLong:
            self._read(self._parser.rest())
            raise
        if events:
            self._begin = None
            self._read(events)

    def _sniff(self, chunk: bytes) -> None:
        begin = chunk.lstrip()
        self._sniffed = bool(begin)
        if begin.startswith(b"<"):
            raise self._bad(f"{self._place} answered with a web page.")
        if begin.startswith((b"{", b"[")):
            self._json = HeldBytes()

    def _read(self, events: Iterable[str]) -> None:
        for data in events:
            if self._reply.done:
                return
            self._reply.data(data)

    def _note_words(self) -> None:
        """For a body that is not a stream at all."""
        lines = [] if self._begin is None else self._begin.splitlines()
        said = b"\n".join(line for line in lines if not line.startswith(_FIELDS))
        self._reply.words(said.decode("utf-8", "replace").strip())

    def _feed_json(self, held: HeldBytes, chunk: bytes) -> None:
        """JSON lines as they arrive, if the first line is valid JSON."""
        if self._lined is False:
            held.add(chunk)
            return
        *lines, chunk = chunk.split(b"\n")
        for line in lines:
            held.add(line)
            if self._lined is False:
                held.add(b"\n")
            elif whole := held.take().strip():
                if self._lined is None:
                    self._lined = _parsed(whole) is not None
                if self._lined:
                    self._read_line(whole)
                else:
                    held.add(whole + b"\n")
        held.add(chunk)

    def _read_line(self, line: bytes) -> None:
        self._lines += 1
        if not self._reply.done:
            self._reply.data(line.decode("utf-8", "replace"))

    def _read_json(self, rest: bytes) -> None:
        """The remainder: the whole, a list of chunks, or chunks with nothing between them."""
        if self._lined:
            if rest.strip():
                self._read_line(rest)
            self._reply.done = self._reply.done or self._lines == 1
            return
        chunks = _parsed(rest)
        if chunks is None:
            raise self._bad(f"{self._place} sent invalid JSON.")
        for chunk in chunks:
            self._reply.chunk(chunk)
        self._reply.done = True

    def _bad(self, message: str) -> BadResponse:
        return BadResponse(message, cure="Check the endpoint's address, or try again.")


def _parsed(raw: bytes) -> list[Any] | None:
    """The values in a JSON text, with lists flattened; `None` if it is not JSON."""
    text = raw.decode("utf-8", "replace").strip()
    values: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values += value if isinstance(value, list) else [value]
            blanks = _BLANKS.match(text, at)
            at = at if blanks is None else blanks.end()
    except (ValueError, RecursionError):
        return None
    return values
