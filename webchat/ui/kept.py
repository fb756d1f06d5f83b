"""Files answered from memory: a new visitor asks for some 130 of them, and reading and compressing each anew
took most of what a page costs the server."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT_BYTES = 32 * 2**20
"""What all answers kept may take together; later ones are made anew each time."""

_PARTIAL = (b"range", b"if-none-match", b"if-modified-since", b"if-range")


@dataclass(frozen=True, slots=True)
class _Answer:
    start: Message
    body: bytes


class Kept:
    """ASGI: keeps the whole answers (200) of `app` to GET, which must be the same for everybody.

    `app` sees one encoding or none as `Accept-Encoding`, so that each file is kept once for each of
    `encodings`, which stand in order of preference.
    """

    def __init__(self, app: ASGIApp, encodings: tuple[str, ...]) -> None:
        self._app = app
        self._encodings = encodings
        self._answers: dict[tuple[str, str], _Answer] = {}
        self._left = KEPT_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" or any(name in _PARTIAL for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        encoding = self._accepted(Headers(scope=scope))
        key = (scope["path"], encoding)
        answer = self._answers.get(key)
        if answer is None:
            headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            scope = {**scope, "headers": [*headers, (b"accept-encoding", encoding.encode())]}
            answer = await self._made(scope, receive, send)
            if answer is not None and len(answer.body) <= self._left:
                self._left -= len(answer.body)
                self._answers[key] = answer
            return
        # What is around this adds to the headers: each answer has a list of its own.
        await send({**answer.start, "headers": list(answer.start["headers"])})
        await send({"type": "http.response.body", "body": answer.body})

    def _accepted(self, headers: Headers) -> str:
        offers = headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
        weights = dict(offer.partition(";q=")[::2] for offer in offers)
        accepted = (name for name in self._encodings if name in weights and _is_wanted(weights[name]))
        return next(accepted, "identity")

    async def _made(self, scope: Scope, receive: Receive, send: Send) -> _Answer | None:
        """Lets `app` answer; gives what it sent if that was a whole file. Where the client leaves, Starlette
        ends its answer early, and without an error."""
        start: Message = {}
        body = b""
        whole = False

        async def watched(message: Message) -> None:
            nonlocal start, body, whole
            if message["type"] == "http.response.start":
                start = {**message, "headers": list(message["headers"])}
            elif start["status"] == 200:
                body += message.get("body", b"")
                whole = not message.get("more_body", False)
            await send(message)

        await self._app(scope, receive, watched)
        return _Answer(start, body) if whole else None


def _is_wanted(weight: str) -> bool:
    return not weight or bool(weight.strip("0."))
