"""What of Gradio is there for anybody: its page, its bundle, its theme.

Every listener of the page is JavaScript of our own, so Gradio's queue, sessions, uploads, files, proxies and
descriptions of itself are needed by nobody. What a later release adds is not there either. What is let
through reaches Gradio without a query and with the few headers that it needs, so that nothing else of a
request can make it stumble.
"""

from __future__ import annotations

import re

import httpx
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webchat.auth import error_answer, unknown_error_answer
from webchat.ui.not_found import NotFound

_SERVED = re.compile(r"/|/theme\.css|/(?:assets|static)(?:/[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]{0,199}){1,9}")
_ANOTHER_PAGE = re.compile(rb"(?:^|&)(?:page|deep_link)=[^&]")
"""What Gradio would take for the name of another of its pages; there is one."""
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_HOSTS = (b"host", b"x-forwarded-host")
_HEADERS = frozenset(
    {
        *_HOSTS,
        b"x-forwarded-proto",
        b"origin",
        b"accept-encoding",
        b"if-none-match",
        b"if-modified-since",
        b"if-range",
        b"range",
    }
)


class Shell:
    """ASGI around the page, which is asked for every address that nothing else answers."""

    def __init__(self, app: ASGIApp, not_found: NotFound) -> None:
        self._app = app
        self._not_found = not_found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if _SERVED.fullmatch(path) and not _ANOTHER_PAGE.search(scope["query_string"]):
            refused = _refused(scope)
            if refused is not None:
                await refused(scope, receive, send)
                return
            if await self._from_gradio(scope, receive, send):
                return
        missing = self._not_found.answer(scope["method"], path, Headers(scope=scope))
        await missing(scope, receive, send)

    async def _from_gradio(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether Gradio has it; if so, it is sent."""
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            if status != 404 and status < 500:
                await send(message)

        kept = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
        try:
            await self._app({**scope, "query_string": b"", "headers": kept}, receive, watched)
            if status >= 500:
                raise RuntimeError(f"Gradio answered {status}")
        except Exception as error:
            if 0 < status < 500:
                raise
            await unknown_error_answer(error)(scope, receive, send)
        return status != 404


def _refused(scope: Scope) -> Response | None:
    """The answer to what Gradio need not see."""
    if scope["method"] not in ("GET", "HEAD"):
        allow = {"allow": "GET, HEAD"}
        return error_answer(405, "bad_request", "The request is not valid.", headers=allow)
    if not all(_is_host(value) for name, value in scope["headers"] if name in _HOSTS):
        return error_answer(400, "bad_request", "The request is not valid.")
    return None


def _is_host(value: bytes) -> bool:
    """Whether Gradio can make an address with it; of several the first counts."""
    text = value.decode("latin-1").partition(",")[0].strip()
    if not _HOST.fullmatch(text):
        return False
    try:
        httpx.URL(f"http://{text}")
    except httpx.InvalidURL:
        return False
    return True
