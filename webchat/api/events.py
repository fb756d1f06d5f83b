"""Server-sent events of one running reply, written straight to ASGI: hundreds of pages follow at once, and a
response object per event would cost more than the event."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope, Send

from webchat.api.wire import Json, message_json, progress_json, queue_json
from webchat.turns import Delta, Done, Status, TurnEvent

log = logging.getLogger(__name__)

RETRY = b"retry: 1000\n"
BEAT = b"event: beat\ndata: {}\n\n"
"""Sent into a silence: proxies keep the connection, and the page can tell a quiet one from a dead one."""

BEAT_SECONDS = 15.0

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]


def encode(event: TurnEvent) -> bytes:
    """One event on the wire. A delta is encoded once, however many follow it."""
    match event:
        case Delta():
            return event.sse
        case Status():
            loading = progress_json(event.loading, event.eta_seconds)
            queue = queue_json(event.place, event.wait_seconds)
            return _sse("status", {"state": event.state, "loading": loading, "queue": queue})
        case Done():
            return _sse("done", {"message": message_json(event.message)})


def _sse(name: str, data: Json) -> bytes:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")


class EventStream:
    """ASGI application that sends `first` and what follows, a beat when nothing was said for a while, and
    ends after the last event or when the reader has gone."""

    def __init__(
        self,
        first: TurnEvent | None,
        rest: AsyncIterator[TurnEvent],
        *,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._first = first
        self._rest = rest
        self._beat_seconds = beat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] == "HEAD":
            await _close(self._rest)
            await send({"type": "http.response.body", "body": b""})
            return
        pump = asyncio.create_task(self._pump(send))
        gone = asyncio.create_task(_reader_gone(receive))
        try:
            while not pump.done() and not gone.done():
                await asyncio.wait(
                    {pump, gone}, timeout=self._beat_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if not pump.done() and not gone.done():
                    await send({"type": "http.response.body", "body": BEAT, "more_body": True})
        finally:
            pump.cancel()
            gone.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
            await _close(self._rest)
        if not gone.done() or gone.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        if not pump.cancelled() and (error := pump.exception()) is not None:
            log.error("following a reply broke off", exc_info=error)

    async def _pump(self, send: Send) -> None:
        opening = RETRY + (b"\n" if self._first is None else encode(self._first))
        await send({"type": "http.response.body", "body": opening, "more_body": True})
        async for event in self._rest:
            await send({"type": "http.response.body", "body": encode(event), "more_body": True})


async def _reader_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _close(events: AsyncIterator[TurnEvent]) -> None:
    aclose = getattr(events, "aclose", None)
    if aclose is not None:
        await aclose()
