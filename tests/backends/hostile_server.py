"""A raw socket server that says exactly the bytes it is told to: what real endpoints do on bad days.

    async with HostileServer(sse(says("Hi"), end="reset")) as server: ...

Answers are given one after another, one per request, the last one again and again; one that depends on the
request is a function of it. `requests` is what came.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

End = Literal["keep", "close", "reset", "hang"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes to send, piece by piece with a pause between, and what to do with the connection then."""

    pieces: Sequence[bytes]
    end: End = "close"
    pause: float = 0.0
    close_after: float = 0.0  # with "keep": close the idle connection later, without notice


@dataclass(slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    closed: asyncio.Event = field(default_factory=asyncio.Event)


Answers = Answer | Callable[[Asked], Answer]


class HostileServer:
    """`models` answers `/models` (404 without it); everything else gets the next of `answers`."""

    def __init__(self, *answers: Answers, models: Answer | None = None) -> None:
        self.answers = list(answers)
        self.models = models or status(404, b'{"error": "no list here"}')
        self.requests: list[Asked] = []
        self.connections = 0
        self.port = 0
        self.asked = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._converse(reader, writer, self.connections)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        while (asked := await _request(reader, connection)) is not None:
            if asked.path.endswith("/models"):
                answer = self.models
            else:
                self.requests.append(asked)
                self.asked.set()
                chosen = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                answer = chosen(asked) if callable(chosen) else chosen
            watch = asyncio.create_task(_watch(reader, asked)) if answer.end == "hang" else None
            try:
                for piece in answer.pieces:
                    writer.write(piece)
                    await writer.drain()
                    if answer.pause:
                        await asyncio.sleep(answer.pause)
                if watch is not None:
                    await watch
            finally:
                if watch is not None:
                    watch.cancel()
            if answer.end == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            if answer.end != "keep":
                return
            if answer.close_after:
                await asyncio.sleep(answer.close_after)
                return


async def _watch(reader: asyncio.StreamReader, asked: Asked) -> None:
    """Note when the other side closes its connection."""
    try:
        await reader.read(1)
    finally:
        asked.closed.set()


async def _request(reader: asyncio.StreamReader, connection: int) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    body = json.loads(await reader.readexactly(length)) if length else {}
    return Asked(method, path, headers, body, connection)


def status(
    code: int,
    body: bytes = b"",
    *,
    content_type: str = "application/json",
    headers: Sequence[str] = (),
    end: End = "keep",
    close_after: float = 0.0,
) -> Answer:
    """A whole answer with a length."""
    lines = [f"HTTP/1.1 {code} X", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return Answer(["\r\n".join(lines).encode() + b"\r\n\r\n" + body], end, close_after=close_after)


def sse(
    *pieces: bytes | str | dict[str, Any],
    end: End = "close",
    pause: float = 0.0,
    chunked: bool = False,
    close_after: float = 0.0,
    content_type: str = "text/event-stream",
) -> Answer:
    """A stream of events: bytes as they are, text as bytes, an object as the data of an event.

    chunked: with HTTP/1.1 chunks and a proper end, so that the connection can be kept.
    """
    encoded = [_piece(piece) for piece in pieces]
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
    if chunked:
        head += "Transfer-Encoding: chunked\r\n"
        encoded = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in encoded]
        if end == "keep":
            encoded.append(b"0\r\n\r\n")
    else:
        head += "Connection: close\r\n"
    return Answer([head.encode() + b"\r\n", *encoded], end, pause, close_after)


def _piece(piece: bytes | str | dict[str, Any]) -> bytes:
    if isinstance(piece, dict):
        return f"data: {json.dumps(piece)}\n\n".encode()
    return piece.encode() if isinstance(piece, str) else piece


def says(text: str | None = None, *, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk of a completion."""
    content = {} if text is None else {"content": text}
    return {"model": "m", "choices": [{"index": 0, "delta": content | delta, "finish_reason": finish}]}


USAGE: dict[str, Any] = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
DONE = "data: [DONE]\n\n"
