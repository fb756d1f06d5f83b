"""The body of an answer, from bytes to events: told by its first byte, whatever its type says."""

from __future__ import annotations

import json
from collections.abc import Iterable

from backends._limits import EVENT_BYTES
from backends.errors import BackendError, BadResponse
from backends.openai_compat.reply import Reply
from backends.openai_compat.sse import EventTooLong, SSEParser
from backends.types import Event


class BodyReader:
    """A stream of events, one completion, or a web page, which is neither. place: the host, for errors."""

    def __init__(self, reply: Reply, place: str) -> None:
        self._reply = reply
        self._place = place
        self._parser = SSEParser()
        self._sniffed = False
        self._whole: bytearray | None = None  # of a completion that is not streamed

    def feed(self, chunk: bytes) -> tuple[list[Event], BackendError | None]:
        """The events in a piece of the body, and the failure behind them, if there is one."""
        failure = None
        try:
            self._feed(chunk)
        except BackendError as error:
            failure = error
        return self._reply.take(), failure

    def close(self) -> tuple[list[Event], BackendError | None]:
        """The same, of what the body ended in."""
        failure = None
        try:
            if self._whole is None:
                self._read(self._parser.close())
            else:
                self._read_whole(self._whole)
        except BackendError as error:
            failure = error
        return self._reply.take(), failure

    def _feed(self, chunk: bytes) -> None:
        if not self._sniffed:
            self._sniff(chunk)
        if self._whole is not None:
            self._whole += chunk
            if len(self._whole) > EVENT_BYTES:
                raise self._too_long()
            return
        try:
            events = self._parser.feed(chunk)
        except EventTooLong:
            self._read(self._parser.rest())
            raise self._too_long() from None
        self._read(events)

    def _sniff(self, chunk: bytes) -> None:
        begin = chunk.lstrip()
        self._sniffed = bool(begin)
        if begin.startswith(b"<"):
            raise self._bad(f"{self._place} answered with a web page.")
        if begin.startswith((b"{", b"[")):
            self._whole = bytearray()

    def _read(self, events: Iterable[str]) -> None:
        for data in events:
            if self._reply.done:
                return
            self._reply.data(data)

    def _read_whole(self, body: bytearray) -> None:
        """One completion, a list of chunks, or a chunk on each line."""
        text = body.decode("utf-8", "replace")
        try:
            try:
                parsed = json.loads(text)
            except ValueError:
                parsed = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise self._bad(f"{self._place} answered with broken JSON.") from None
        for chunk in parsed if isinstance(parsed, list) else [parsed]:
            self._reply.chunk(chunk)
        self._reply.done = True

    def _too_long(self) -> BadResponse:
        return self._bad(f"{self._place} sent more at once than any reply holds.")

    def _bad(self, message: str) -> BadResponse:
        return BadResponse(message, cure="Check the endpoint's address, or try again.")
