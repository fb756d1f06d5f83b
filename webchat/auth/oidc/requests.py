"""Bounded requests to a provider: JSON only, no redirects, no cookies, a limit on time and size."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from backends._plurals import counted
from backends._proxies import find_proxy
from backends.errors import BadProxy
from webchat.auth.origin import is_loopback
from webchat.auth.sign_in_errors import ProviderUnreachable

SECONDS = 10.0
MOST_BYTES = 1 << 20

_DIRECTLY = {"http://": None, "https://": None}
"""In the place of the proxies that httpx would take from the environment by rules of its own."""


def safe_address(url: object, *, plain: bool) -> SplitResult | None:
    """The parts of an address that tokens may be sent to: https, or http on this machine if `plain`. `None`
    for any other, for one with a user name or a fragment, and for what is no address."""
    if not isinstance(url, str) or not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or "@" in parts.netloc or "#" in url:
        return None
    return (
        parts if parts.scheme == "https" or (plain and parts.scheme == "http" and is_loopback(host)) else None
    )


class Requests:
    """Sends requests to providers and reads their answers. Connections are kept by proxy."""

    def __init__(self, *, seconds: float = SECONDS, most_bytes: int = MOST_BYTES) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._clients: dict[str | None, httpx.AsyncClient] = {}

    async def get(self, url: str, *, token: str | None = None) -> dict[str, Any]:
        """The JSON object at the address. Raises `ProviderUnreachable`, also for any status but 200."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        status, answer = await self._send("GET", url, headers, None)
        if status != 200 or answer is None:
            raise ProviderUnreachable(f"{_place(url)}: status {status}, or the answer is not a JSON object")
        return answer

    async def post(
        self, url: str, form: Mapping[str, str], *, authorization: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON object (empty if there is none) of the answer. Raises `ProviderUnreachable`, also
        for errors of the provider's server."""
        headers = {} if authorization is None else {"Authorization": authorization}
        status, answer = await self._send("POST", url, headers, form)
        if status >= 500 or status == 429:
            raise ProviderUnreachable(f"{_place(url)}: status {status}")
        return status, answer or {}

    async def aclose(self) -> None:
        """Close the connections."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _send(
        self, method: str, url: str, headers: dict[str, str], form: Mapping[str, str] | None
    ) -> tuple[int, dict[str, Any] | None]:
        # An encoded answer could be far larger than what is counted.
        headers |= {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            async with asyncio.timeout(self._seconds):
                client = await self._client(url)
                async with client.stream(method, url, headers=headers, data=form) as answer:
                    if answer.headers.get("content-encoding", "identity").lower() != "identity":
                        raise ProviderUnreachable(f"{_place(url)}: the answer is compressed")
                    read = bytearray()
                    async for chunk in answer.aiter_raw():
                        read += chunk
                        if len(read) > self._most_bytes:
                            raise ProviderUnreachable(f"{_place(url)}: the answer is too long")
        except TimeoutError:
            raise ProviderUnreachable(
                f"{_place(url)}: no answer within {counted(self._seconds, 'second')}"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderUnreachable(f"{_place(url)}: {type(error).__name__}") from None
        return answer.status_code, _object(read)

    async def _client(self, url: str) -> httpx.AsyncClient:
        try:
            proxy = find_proxy(url, os.environ)
        except BadProxy as error:
            raise ProviderUnreachable(str(error)) from None
        if proxy is not None and proxy.url.startswith("socks"):
            raise ProviderUnreachable(f"{_place(url)}: {proxy.variable} names a SOCKS proxy")
        at = None if proxy is None else proxy.url
        if at not in self._clients:
            # Reading the trusted certificates takes a tenth of a second.
            made = await asyncio.to_thread(_connections, at)
            self._clients.setdefault(at, made)
        return self._clients[at]


def _connections(proxy: str | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=None,  # `asyncio.timeout` covers the whole request
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": "webchat"},
        proxy=proxy,
        mounts=None if proxy else _DIRECTLY,
    )


def _object(text: bytes | bytearray) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _place(url: str) -> str:
    """Host and path, for the log: a query may hold anything."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"
