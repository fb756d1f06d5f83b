"""The response side: hardens the start of a response, and can end a response early."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from webchat.auth.answers import no_owner
from webchat.auth.headers import Hardening
from webchat.auth.owners import Refusal


class Answering:
    """The `send` of one request.

    A page receives a nonce for its script tags, which the policy names: scripts delivered with the page run,
    handlers and scripts injected later do not. trusted: the foreign origin of the request, if it is on the
    allow-list. tls_only: browsers are told to use TLS from now on.
    """

    def __init__(
        self, send: Send, hardening: Hardening, trusted: str | None, *, tls_only: bool = False
    ) -> None:
        self._send = send
        self._hardening = hardening
        self._trusted = trusted
        self._tls_only = tls_only
        self._ended = False
        self._sized = False
        self.nonce = secrets.token_urlsafe(16)
        self.cookies: list[str] = []
        """`Set-Cookie` headers to add."""
        self.policy: bytes | None = None
        self.shared = False
        """Whether a page is a read-only share."""
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            await self._start(message)
        else:
            self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await self._send(message)

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(raw=self._hardening.kept(message.get("headers", ()), self._trusted))
        self._sized = "content-length" in headers
        kind = headers.get("content-type", "").partition(";")[0]
        policy = self.policy
        if policy is None and kind == "text/html":
            policy = (
                self._hardening.share_policy(self.nonce)
                if self.shared
                else self._hardening.page_policy(self.nonce)
            )
            headers.setdefault("cache-control", "no-cache")
        elif policy is None and kind.endswith("/javascript"):
            policy = self._hardening.script_policy
        elif policy is None and kind.startswith(("image/", "audio/")):
            policy = self._hardening.media_policy
        await self._send({**message, "headers": self._complete(headers.raw, policy)})

    def _complete(
        self, headers: list[tuple[bytes, bytes]], policy: bytes | None
    ) -> list[tuple[bytes, bytes]]:
        cookies = [(b"set-cookie", header.encode("ascii")) for header in self.cookies]
        return headers + self._hardening.headers(policy, tls_only=self._tls_only) + cookies

    async def cut(self, scope: Scope, receive: Receive, refusal: Refusal) -> None:
        """End the response of a guest whose link has ended."""
        if not self.started:
            await no_owner(refusal)(scope, receive, self.send)
        elif not self._ended and not self._sized:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
