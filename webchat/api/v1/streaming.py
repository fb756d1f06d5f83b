"""Answers a call: as one JSON object, or as a stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from webchat.api.errors import ApiError
from webchat.api.events import EventStream
from webchat.api.v1.reading import header_of
from webchat.api.v1.replies import CallPiece, Reply
from webchat.api.v1.runner import Running
from webchat.api.work import while_asked
from webchat.turns import Delta, Done, Status, TurnEvent
from webchat.turns.errors import SlowReader

FIRST_SECONDS = 10.0
"""How long a stream waits for its first words before it begins without them: until then a failure has a
status of its own."""

WAITING = b": waiting\n\n"
"""A comment, which clients skip; it keeps proxies from closing a connection in silence."""

Run = AbstractAsyncContextManager[Running]


class Writer(Protocol):
    """How one API says a reply in events. Each method returns them as bytes, maybe none."""

    def begin(self) -> bytes: ...

    def text(self, text: str) -> bytes: ...

    def reasoning(self, text: str) -> bytes: ...

    def call(self, piece: CallPiece) -> bytes: ...

    def logprobs(self, tokens: list[dict[str, Any]]) -> bytes: ...

    def end(self) -> bytes: ...

    def failed(self, error: ApiError) -> bytes: ...


async def whole(request: Request, run: Run, answer: Callable[[Reply], dict[str, Any]]) -> Response:
    """The reply as one JSON object. Raises `ApiError` for one that failed."""

    async def work() -> ASGIApp:
        async with run as running, aclosing(running.events) as events:
            async for event in events:
                if isinstance(event, Delta) and event.kind == "tool":
                    running.reply.add_calls(event.text)
                elif isinstance(event, Delta):
                    running.reply.add_logprobs(event.logprobs)
                elif isinstance(event, Done):
                    running.reply.message = event.message
        if (failure := running.reply.failure) is not None:
            raise failure
        return _json(answer(running.reply), running.ignored)

    response = await while_asked(request, work())
    assert isinstance(response, Response)
    return response


async def streamed(run: Run, make: Callable[[Reply], Writer]) -> ASGIApp:
    """The reply in events. Raises what goes wrong before the first of them."""
    ignored: list[str] = []
    pieces = _pieces(run, make, ignored)
    first = await anext(pieces)
    return EventStream(_Begun(first, pieces), beat=WAITING, headers=header_of(tuple(ignored)))


async def _pieces(run: Run, make: Callable[[Reply], Writer], ignored: list[str]) -> AsyncGenerator[bytes]:
    """ignored: filled with what the header is to name, before the first piece."""
    begun = False
    async with run as running, aclosing(running.events) as events, aclosing(_paced(events)) as paced:
        ignored += running.ignored
        reply = running.reply
        writer = make(reply)
        try:
            async for event in paced:
                if event is None:
                    yield WAITING if begun else writer.begin()
                    begun = True
                    continue
                if isinstance(event, Status):
                    continue
                if isinstance(event, Done):
                    reply.message = event.message
                    if not begun and (failure := reply.failure) is not None:
                        raise failure
                head, begun = b"" if begun else writer.begin(), True
                if piece := head + _written(reply, writer, event):
                    yield piece
        except SlowReader as slow:
            yield writer.failed(ApiError(slow.status, slow.code, slow.message, slow.cure))


def _written(reply: Reply, writer: Writer, event: Delta | Done) -> bytes:
    """What an event adds to a stream."""
    match event:
        case Delta(kind="text", text=text, logprobs=tokens):
            return writer.text(text) + (writer.logprobs(reply.add_logprobs(tokens)) if tokens else b"")
        case Delta(kind="reasoning", text=text):
            return writer.reasoning(text)
        case Delta(kind="tool"):
            return b"".join(writer.call(piece) for piece in reply.add_calls(event.text))
        case Done():
            return writer.end() if reply.failure is None else writer.failed(reply.failure)
        case _:
            return b""


async def _paced(events: AsyncGenerator[TurnEvent]) -> AsyncGenerator[TurnEvent | None]:
    """The events; `None` where the first of a reply take long."""
    coming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=FIRST_SECONDS)
            if not done:
                yield None
            event = await coming
            if event is None:
                return
            yield event
            if isinstance(event, Delta | Done):
                break
            coming = asyncio.ensure_future(anext(events, None))
    finally:
        if not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
    async for event in events:
        yield event


class _Begun:
    """A generator whose first piece was taken already."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        first, self._first = self._first, None
        return await anext(self._rest) if first is None else first

    async def aclose(self) -> None:
        await self._rest.aclose()


def _json(answer: dict[str, Any], ignored: tuple[str, ...]) -> Response:
    headers = {"cache-control": "no-store", **header_of(ignored)}
    return Response(orjson.dumps(answer), 200, headers, media_type="application/json")
