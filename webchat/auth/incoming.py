"""The way in: what the door hears of a request, and how it reads a body it must see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope

from webchat.auth.answers import error_answer, too_large

SMALL_BODY = 4096
"""Most bytes of a body where nothing long is sent, which is nearly everywhere."""

MOST_ADDRESS = 8192
"""Most bytes of path and query; the longest of ours names 64 replies."""


class Refused(Exception):
    """Carries the answer of a request that goes no further."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def small(method: str, path: str) -> int:
    return SMALL_BODY


@dataclass(slots=True)
class Heard:
    """The request headers the door looks at, read in one pass."""

    host: str = ""
    origin: str | None = None
    fetch_site: str | None = None
    fetch_dest: str | None = None
    accept: str = ""
    length: str | None = None
    chunked: bool = False
    preflight: bool = False


def hear(scope: Scope) -> Heard:
    heard = Heard()
    method: str | None = scope.get("method")
    for name, value in scope["headers"]:
        match name:
            case b"host":
                heard.host = value.decode("latin-1")
            case b"origin":
                heard.origin = value.decode("latin-1")
            case b"sec-fetch-site":
                heard.fetch_site = value.decode("latin-1")
            case b"sec-fetch-dest":
                heard.fetch_dest = value.decode("latin-1")
            case b"accept":
                heard.accept = value.decode("latin-1")
            case b"content-length":
                heard.length = value.decode("latin-1")
            case b"transfer-encoding":
                heard.chunked = True
            case b"access-control-request-method":
                heard.preflight = method == "OPTIONS"
    return heard


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body of a request that does not say its length, or whose body the door must see."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(error_answer(400, "bad_request", "The request ended too early."))
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise Refused(too_large(most))
        if not message.get("more_body", False):
            return b"".join(pieces)


def replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    gone = (b"content-length", b"transfer-encoding")
    return [(n, v) for n, v in headers if n not in gone] + [(b"content-length", str(length).encode())]
