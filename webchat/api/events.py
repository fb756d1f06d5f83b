"""Server-sent events of replies, written straight to ASGI: hundreds of pages follow at once, and a response
object per event would cost more than the event.

`GET /api/events?reply=<message id>:<seq>&reply=...` is the one stream of a browser. It never ends by itself.
Each event has JSON in `data`, its model in `webchat.api.wire.turns.Events`:

- `hello` first.
- of each `reply`, what comes after its piece number `seq`: `status`, `delta`, and last `done`, or `gone` for
  what the owner may not see. Order holds within a reply. Whoever lost the connection asks again with the
  numbers that were seen.
- of all conversations of the owner: `begun` and `ended` for each turn, wherever it was asked for, and
  `changed` when something else is shown there.
- `beat` in silence.

With `wait=0` it tells what is known now, and ends.

`GET /api/messages/{id}/events?from=<seq>` tells `status`, `delta` and `done` of one reply and ends with it.
Each delta has its number as the event's `id`: a browser resumes there by itself.

The `wait` of a `status` ends with the first delta, without another `status`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

from starlette.types import Receive, Scope, Send

from webchat.api.errors import ApiError
from webchat.api.reading import json_bytes
from webchat.api.wire import turns as wire
from webchat.api.wire.base import Answer
from webchat.store import StoreUnavailable
from webchat.store.records import Owner
from webchat.turns import Delta, Done, Follower, Gone, Group, Most, News, Party, Status, TurnEvent

log = logging.getLogger(__name__)

RETRY = b"retry: 1000\n"
BEAT = b"event: beat\ndata: {}\n\n"
"""Sent during silence: it keeps proxies from closing the connection, and the page can tell a quiet one from a
dead one."""

BEAT_SECONDS = 15.0

MOST_STREAMS = 64
"""Open streams per owner. One more closes the oldest: the newest is probably on screen, and a browser whose
stream was closed reconnects."""

MOST_SHARED = 600
"""Open streams of all visitors of one link, and of all from one network."""

PIECE_BYTES = 65_536
"""How much is encoded before the reader has to receive it."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]


def encode(message_id: str, event: TurnEvent | Gone | News, reader: Owner) -> bytes:
    """One event on the wire, as `reader` may see it. A delta is encoded once for all followers."""
    match event:
        case Delta():
            return event.sse
        case Status():
            return _sse("status", wire.Status.now(message_id, event, reader))
        case Done():
            return _sse("done", wire.Done.of(event, reader))
        case Gone():
            return _sse("gone", wire.Gone(message_id=message_id))
        case News("changed"):
            return _sse("changed", wire.Changed.of(event))
        case News():
            return _sse(event.kind, wire.TurnNews.of(event))


def _sse(name: str, data: Answer) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json_bytes(data))


async def one_reply(
    message_id: str, first: TurnEvent, rest: AsyncGenerator[TurnEvent], reader: Owner
) -> AsyncGenerator[bytes]:
    """The stream of one reply."""
    async with aclosing(rest):
        yield RETRY + encode(message_id, first, reader)
        async for event in rest:
            yield encode(message_id, event, reader)


async def many_replies(
    follower: Follower, running: list[str], reader: Owner, *, wait: bool
) -> AsyncGenerator[bytes]:
    """The single stream of a browser. Simultaneous events are sent as one piece."""
    yield RETRY + _sse("hello", wire.Hello(owner=reader.id, running=tuple(running)))
    while batch := await follower.batch() if wait else follower.at_once():
        piece = bytearray()
        for message_id, event in batch:
            piece += encode(message_id, event, reader)
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)


class Chunks(Protocol):
    """The pieces of a stream, with what they hold until `aclose`."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class EventStream:
    """ASGI application that sends `chunks`, a beat after some silence, and ends after the last chunk or when
    the reader disconnects. close: called at the end in any case. headers: beside those of every stream."""

    def __init__(
        self,
        chunks: Chunks,
        close: Callable[[], None] | None = None,
        *,
        beat_seconds: float = BEAT_SECONDS,
        beat: bytes = BEAT,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._chunks = chunks
        self._close = close
        self._beat_seconds = beat_seconds
        self._beat = beat
        named = (headers or {}).items()
        self._headers = _HEADERS + [(name.encode("ascii"), value.encode("ascii")) for name, value in named]
        self._pumping: asyncio.Task[None] | None = None
        self.ended = False
        """Whether `end` was called."""

    def end(self) -> None:
        """Send nothing more."""
        self.ended = True
        if self._pumping is not None:
            self._pumping.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._chunks):
                await send({"type": "http.response.start", "status": 200, "headers": self._headers})
                if scope["method"] == "HEAD":
                    await send({"type": "http.response.body", "body": b""})
                else:
                    await self._stream(receive, send)
        finally:
            if self._close is not None:
                self._close()

    async def _stream(self, receive: Receive, send: Send) -> None:
        pump = self._pumping = asyncio.create_task(self._pump(send))
        if self.ended:
            pump.cancel()
        gone = asyncio.create_task(_reader_gone(receive))
        try:
            while not pump.done() and not gone.done():
                await asyncio.wait(
                    {pump, gone}, timeout=self._beat_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if not pump.done() and not gone.done():
                    await send({"type": "http.response.body", "body": self._beat, "more_body": True})
        finally:
            pump.cancel()
            gone.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        if not gone.done() or gone.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        error = None if pump.cancelled() else pump.exception()
        if error is not None and not isinstance(error, StoreUnavailable):  # the store's log says those
            log.error("an event stream failed", exc_info=error)

    async def _pump(self, send: Send) -> None:
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


class OpenStreams:
    """The open streams and whom each counts for, the oldest first."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self._most = most
        self._own = Most(owner=2 * most)
        self._shared = Most(link=MOST_SHARED, network=MOST_SHARED)
        self._open: dict[EventStream, Party] = {}

    def check(self, party: Party) -> None:
        """Make room for one more. Raises `ApiError` if many of the owner's closed streams are still open
        because nobody reads them, or if the visitors of the same link or network have reached the limit, each
        with about as many as this one."""
        if self._own.reached(party, self._open.values()):
            raise ApiError(
                429, "too_many_streams", "This chat is open in too many tabs.", "Close some of them."
            )
        while reached := self._shared.reached(party, self._going().values()):
            self._make_room(party, reached[0])

    def _make_room(self, party: Party, group: Group) -> None:
        """Close the oldest stream of whoever has the most in the same link or network, so that nobody can
        lock out others by opening many."""
        shared = getattr(party, group)
        mates = {stream: whose for stream, whose in self._going().items() if getattr(whose, group) == shared}
        counts = Counter(whose.owner for whose in mates.values())
        owner, most = counts.most_common(1)[0]
        if most <= counts[party.owner] + 1:
            raise ApiError(
                429,
                "too_many_connected",
                "Too many people are connected through your link or network.",
                "Try again later.",
            )
        next(stream for stream, whose in mates.items() if whose.owner == owner).end()

    def _going(self) -> dict[EventStream, Party]:
        return {stream: whose for stream, whose in self._open.items() if not stream.ended}

    def open(
        self, party: Party, chunks: AsyncGenerator[bytes], close: Callable[[], None] | None = None
    ) -> EventStream:
        """Register a stream, closing the oldest if there are too many."""

        def closed() -> None:
            del self._open[stream]
            if close is not None:
                close()

        stream = EventStream(chunks, closed)
        self._open[stream] = party
        mine = [other for other, whose in self._open.items() if whose.owner == party.owner]
        for old in mine[: -self._most]:
            old.end()
        return stream


async def _reader_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
