"""HTTP to one endpoint, with aiohttp. All failures are raised as `BackendError`.

The key is only sent to this endpoint: redirects are not followed and cookies are not kept. Compressed bodies,
which are not asked for, are decompressed piece by piece, so that a small one cannot fill the memory.

Imported when a connection is first needed (see `connected` in `models`), because importing aiohttp takes a
while.
"""

from __future__ import annotations

import asyncio
import io
import os
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
import certifi
from aiohttp.http_exceptions import HttpProcessingError

from backends._plurals import counted
from backends._proxies import proxy_for
from backends.errors import AuthFailed, BackendError, BadRequest, BadResponse, Timeout, Unavailable
from backends.openai_compat.address import Address
from backends.openai_compat.patience import too_slow

NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError, ValueError)
"""What aiohttp raises; `OSError` and `RuntimeError` come through when a client is closed in the middle, and
`ValueError` for what no request can hold."""

_STALE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
"""How a pooled connection shows that it was closed at the other end without notice."""

_HEAD_BYTES = 64 << 10
"""Of one line of an answer's head."""

_PIECEWISE_BYTES = 1 << 20
"""A longer body is written piece by piece, so that it does not hold the event loop."""


class Client:
    """Connections to one endpoint, reused if the server keeps them open.

    connect_timeout: seconds for a connection, including TLS and its proxy. Reads have their own deadlines.
    May be created in any thread (it reads certificates), then belongs to one event loop. Raises `AuthFailed`
    for a key that is not valid in a header, `BadProxy`, and `Unavailable` for certificates that cannot be
    read.
    """

    def __init__(self, address: Address, api_key: str | None, *, connect_timeout: float) -> None:
        self._address = address
        self._connect_timeout = connect_timeout
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "webchat"}
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise AuthFailed("The API key contains invalid characters.", cure="Copy it again.")
            self._headers |= address.headers(api_key)
        proxy = proxy_for(address.base, os.environ)
        self._socks = proxy if proxy and proxy.startswith("socks") else None
        self._proxy = None if self._socks else proxy
        secure = "https://" in f"{address.base} {proxy}"
        self._tls: ssl.SSLContext | bool = _trusted() if secure else True
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None  # never takes a pooled connection
        self.closed = False

    async def send(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        until: float,
        seconds: float,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """Send a request. Returns the answer after its head has arrived, with its body still to be read.

        headers: beside those of every request. until: the deadline, in the event loop's time; seconds: the
        duration, for the error message.
        """
        try:
            async with asyncio.timeout_at(until):
                try:
                    return await self._send(self._session(fresh=False), method, url, body, headers)
                except _STALE as error:
                    if isinstance(error, aiohttp.ClientConnectorError):
                        raise
                    return await self._send(self._session(fresh=True), method, url, body, headers)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ServerTimeoutError):
                raise self._failed(error) from error
            raise too_slow(self._address.place, seconds) from None
        except NETWORK_ERRORS as error:
            raise self._failed(error) from error

    async def aclose(self) -> None:
        """Close all connections, including those in use."""
        self.closed = True
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        body: bytes | None,
        more: Mapping[str, str],
    ) -> Response:
        data = io.BytesIO(body) if body is not None and len(body) > _PIECEWISE_BYTES else body
        headers = dict(more)
        if body is not None:
            headers["Content-Type"] = "application/json"
            headers["Accept"] = "text/event-stream, application/json"
        answer = await session.request(
            method, url, data=data, headers=headers, proxy=self._proxy, allow_redirects=False
        )
        return Response(answer, self)

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        if self.closed:
            raise RuntimeError("closed")
        if fresh:
            self._fresh = self._fresh or self._new_session(fresh=True)
            return self._fresh
        self._pooled = self._pooled or self._new_session(fresh=False)
        return self._pooled

    def _new_session(self, *, fresh: bool) -> aiohttp.ClientSession:
        pool: dict[str, Any] = {"limit": 0, "ssl": self._tls, "force_close": fresh}
        if not fresh:
            pool["keepalive_timeout"] = 30.0
        return aiohttp.ClientSession(
            connector=_through_socks(self._socks, pool) if self._socks else _directly(pool),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._connect_timeout, sock_connect=self._connect_timeout
            ),
            max_line_size=_HEAD_BYTES,
            max_field_size=_HEAD_BYTES,
        )

    def _failed(self, error: Exception) -> BackendError:
        return from_network(error, place=self._address.place, connect=self._connect_timeout)


class Response:
    """An answer. Must be closed; one that was not read to its end closes its connection."""

    def __init__(self, answer: aiohttp.ClientResponse, client: Client) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer
        self._client = client
        self._content = answer.content
        connection = answer.connection
        self._protocol = None if connection is None else connection.protocol
        self._clock = asyncio.get_running_loop()
        # One timer for all reads, that is moved: setting one for each would cost more than the reading.
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._waiting = False
        self._failure: BackendError | None = None

    async def read(self, until: float) -> bytes:
        """Everything that has arrived by now, at least one byte; empty at the end of the body.

        until: the deadline, in the event loop's time. Raises `TimeoutError` then, and `BackendError` for a
        broken connection, after returning what arrived before.
        """
        if self._failure is not None:
            raise self._failure
        self._until = until
        if self._timer is None or until < self._timer.when():
            self._set_timer()
        self._waiting = True
        try:
            if not (piece := await self._content.readany()):
                self._check_end()
            return piece
        except TimeoutError:
            raise
        except NETWORK_ERRORS as error:
            self._failure = self._client._failed(error)
            if rest := self._unread():
                return rest
            raise self._failure from error
        finally:
            self._waiting = False

    async def body(self, limit: int, *, until: float, seconds: float) -> bytes:
        """The first `limit` bytes of the body. Raises `BackendError`."""
        read = bytearray()
        try:
            while len(read) < limit and (piece := await self.read(until)):
                read += piece
        except TimeoutError:
            raise too_slow(self._client._address.place, seconds) from None
        return bytes(read[:limit])

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._answer.close()

    def _check_end(self) -> None:
        """Raise the error that broke a body of undeclared length: aiohttp treats any end of the connection as
        its end."""
        headers = self._answer.headers
        if self._protocol is None or "Content-Length" in headers or "Transfer-Encoding" in headers:
            return
        if self._client.closed:
            raise RuntimeError("closed")
        if isinstance(error := self._protocol.exception(), aiohttp.ClientOSError):
            raise error

    def _unread(self) -> bytes:
        """Data that arrived before the connection broke, which aiohttp no longer returns."""
        self._content.set_exception(None)  # type: ignore[arg-type]
        return self._content.read_nowait()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at(self._until, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self._waiting:
            return  # the next wait sets it
        if self._clock.time() < self._until:
            self._set_timer()
        else:
            self._content.set_exception(TimeoutError())


def from_network(error: Exception, *, place: str, connect: float) -> BackendError:
    """The error for any exception of aiohttp. A test walks its class tree, so that a new branch is
    noticed."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Timeout(
                f"{place} did not answer within {counted(connect, 'second')}.",
                cure="Check that it is running and try again.",
            )
        case aiohttp.ServerTimeoutError():
            return Timeout(f"{place} took too long.", cure="Try again.")
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return Unavailable(f"The proxy on the way to {place} failed.", cure="Check the proxy's settings.")
        case aiohttp.ClientConnectorCertificateError():
            return Unavailable(
                f"The certificate of {place} is not trusted, or was issued for another name.",
                cure="Set SSL_CERT_FILE to the file of its certificate authority, or use the name it was"
                " issued for.",
            )
        case aiohttp.ClientConnectorSSLError():
            return Unavailable(
                f"{place} does not speak TLS.",
                cure="Check whether the endpoint's address should start with http:// or https://.",
            )
        case aiohttp.ClientConnectorDNSError():
            return Unavailable(
                f"The host name of {place} cannot be resolved.",
                cure="Check the spelling of the endpoint's host name, and the network.",
            )
        case aiohttp.ClientConnectorError() | aiohttp.ServerFingerprintMismatch():
            return Unavailable(
                f"{place} cannot be reached.", cure="Check that it is running, and the endpoint's address."
            )
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return BadRequest(
                "The endpoint's address is not a valid URL.", cure="Use one such as http://127.0.0.1:8000/v1."
            )
        case aiohttp.ClientResponseError() | aiohttp.RedirectClientError() | HttpProcessingError():
            return BadResponse(f"The answer of {place} cannot be read.", cure="Check the endpoint.")
        case ValueError():
            return BadRequest(
                f"The request to {place} could not be built.",
                cure="Check the API key: it may contain invalid characters.",
            )
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
            return Unavailable(f"The connection to {place} was lost.", cure="Try again.")
        case RuntimeError():
            return Unavailable(f"The connection to {place} was closed.", cure="Try again.")
        case _:
            return Unavailable(f"The request to {place} failed.", cure="Try again.")


def _directly(pool: dict[str, Any]) -> aiohttp.TCPConnector:
    """A connector for direct connections and http proxies. Names are resolved by the system, which knows
    those of a local network."""
    return aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), **pool)


def _through_socks(proxy: str, pool: dict[str, Any]) -> aiohttp.TCPConnector:
    from aiohttp_socks import ProxyConnector

    scheme, _, rest = proxy.partition("://")
    version = scheme.rstrip("ah")  # those with a letter look names up themselves
    connector: aiohttp.TCPConnector = ProxyConnector.from_url(
        f"{version}://{rest}", rdns=scheme != version, **pool
    )
    return connector


def _trusted() -> ssl.SSLContext:
    """The trusted certificates: from the variables OpenSSL reads, else from `certifi`. Raises
    `Unavailable`."""
    file, folder = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    if file or folder:
        try:
            return ssl.create_default_context(cafile=file, capath=folder)
        except OSError as error:
            raise Unavailable(
                "The file named in SSL_CERT_FILE cannot be read, or contains no certificates.",
                cure="Correct SSL_CERT_FILE, or unset it.",
            ) from error
    return ssl.create_default_context(cafile=certifi.where())
