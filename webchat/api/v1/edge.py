"""Errors under `/v1` in the form that clients of OpenAI's and Anthropic's APIs expect, whoever answers: a
route, the door, or nobody for a path that does not exist."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/v1/"

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_TYPES_OF_ANTHROPIC = {**_TYPES, 413: "request_too_large", 503: "overloaded_error", 504: "timeout_error"}
_CODES = {
    "context_too_long": "context_length_exceeded",
    "unknown_model": "model_not_found",
    "blocked": "content_filter",
    "message_blocked": "content_filter",
    "key_needed": "invalid_api_key",
    "key_unknown": "invalid_api_key",
    "key_revoked": "invalid_api_key",
    "key_expired": "invalid_api_key",
}
"""Where the APIs have a word of their own."""


def envelope(status: int, error: dict[str, Any], *, anthropic: bool) -> dict[str, Any]:
    """An error of ours, with `code`, `message`, `cure` and `params`, as a client reads it."""
    code = str(error.get("code", "error"))
    # What is said to people in the page: nothing of a call is saved.
    cure = str(error.get("cure", ""))
    said = " ".join(filter(None, [str(error.get("message", "")), "" if "saved" in cure else cure]))
    if anthropic:
        kind = _TYPES_OF_ANTHROPIC.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": said}}
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    field = (error.get("params") or {}).get("field")
    return {"error": {"message": said, "type": kind, "param": field, "code": _CODES.get(code, code)}}


def speaks_anthropic(scope: Scope) -> bool:
    """Whether the client speaks Anthropic's API: by its header, or by a path that only this API has."""
    below = f"{scope['path'].rstrip('/')}/".partition("/v1/")[2]
    return below.startswith("messages/") or "anthropic-version" in Headers(scope=scope)


class Edge:
    """ASGI middleware around the door. root_path: under which a proxy serves the app."""

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        self._app = app
        self._prefixes = {PREFIX, f"{root_path}{PREFIX}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(f"{scope['path']}/".startswith(one) for one in self._prefixes):
            send = _Translating(send, anthropic=speaks_anthropic(scope)).send
        await self._app(scope, receive, send)


class _Translating:
    """The `send` of one request. Errors are short, and are read as a whole."""

    def __init__(self, send: Send, *, anthropic: bool) -> None:
        self._send = send
        self._anthropic = anthropic
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._answer(self._start)

    async def _answer(self, start: Message) -> None:
        try:
            error = orjson.loads(self._body)["error"]
        except (orjson.JSONDecodeError, LookupError, TypeError):
            error = {"code": "error", "message": f"The server answered with status {start['status']}."}
        # Unprocessable is no status of these APIs.
        status = 400 if start["status"] == 422 else start["status"]
        body = orjson.dumps(envelope(status, error, anthropic=self._anthropic))
        headers = MutableHeaders(raw=list(start.get("headers", ())))
        headers["content-type"] = "application/json"
        headers["content-length"] = str(len(body))
        await self._send({**start, "status": status, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})
