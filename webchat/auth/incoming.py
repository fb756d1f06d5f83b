"""The request side: the headers the door reads, and reading a body when it must."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope

from webchat.auth.answers import error_answer, too_large

SMALL_BODY = 4096
"""Maximum bytes of a body on routes without long texts, which is nearly all."""

KEY_PREFIX = "wk_"
"""What every API key begins with."""

MOST_ADDRESS = 8192
"""Maximum bytes of path and query; the longest of ours names 64 replies."""


class Refused(Exception):
    """Carries the response to a rejected request."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def small(method: str, path: str) -> int:
    return SMALL_BODY


@dataclass(slots=True)
class Heard:
    """The request headers the door needs, read in one pass."""

    host: str = ""
    origin: str | None = None
    fetch_site: str | None = None
    fetch_dest: str | None = None
    accept: str = ""
    length: str | None = None
    chunked: bool = False
    keys: frozenset[str] = frozenset()
    """API keys of ours that it carries."""
    bearer: bool = False
    """Whether it carries a key of any kind."""
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
            case b"authorization" | b"x-api-key":
                _hear_key(heard, name, value.decode("latin-1").strip())
            case b"access-control-request-method":
                heard.preflight = method == "OPTIONS"
    return heard


def _hear_key(heard: Heard, name: bytes, value: str) -> None:
    """`Authorization: Bearer wk_…` or `x-api-key: wk_…`; anything else is not for us."""
    if name == b"authorization":
        scheme, _, value = value.partition(" ")
        if scheme.lower() != "bearer":
            return
    heard.bearer = True
    if (key := value.strip()).startswith(KEY_PREFIX):
        heard.keys |= {key}


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body of a request of undeclared length, or one that the door must read."""
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
