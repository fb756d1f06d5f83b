"""The outermost layer of the server: every request passes here before any route of ours or of Gradio's.

It decides who the request is for (`scope["state"]["owner"]`), turns away what comes from foreign pages, is
too large, or has no owner, and hardens every answer. Handlers behind it still ask the store as that owner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webchat.auth import gradio_sessions as gradio
from webchat.auth.answers import Gate, error_answer, unknown_error_answer
from webchat.auth.cookies import Cookies
from webchat.auth.headers import hardened, security_headers
from webchat.auth.origin import SAFE_METHODS, host_name, is_loopback, may_change
from webchat.auth.owners import Owners, OwnerStore, Revoked
from webchat.store.errors import StoreUnavailable
from webchat.store.records import Owner

_OPEN = frozenset({"/healthz", "/readyz", "/t/redeem"})
_GATE = frozenset({"/t", "/t/"})
_JSON_BELOW = ("/api/", "/gradio_api/", "/v1/")


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """How the door stands.

    access: `local` (loopback only: one local owner, no questions), `link` (whoever redeemed a link), or
    `open` (whoever opens the page becomes an owner of their own).
    secret: signs cookies and separates Gradio's sessions; see `load_or_make_secret`.
    embedded: the page may be shown inside another site's frame, so the cookie is `SameSite=None`.
    frame_ancestors: CSP sources of those sites; nobody may frame the page by default.
    trusted_origins: other origins (`https://chat.example.org`) whose pages count as ours.
    extra_hosts: names besides the loopback ones under which a loopback server may be addressed.
    body_bytes: largest request body.
    secure_cookies: people come by https although the last hop may be plain http.
    """

    access: Literal["local", "link", "open"]
    secret: str = field(repr=False)
    embedded: bool = False
    frame_ancestors: tuple[str, ...] = ()
    trusted_origins: frozenset[str] = frozenset()
    extra_hosts: frozenset[str] = frozenset()
    body_bytes: int = 2_000_000
    secure_cookies: bool = False


class _Refused(Exception):
    """Carries the answer of a request that goes no further."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


@dataclass(slots=True)
class _Heard:
    """The request headers the door looks at, read in one pass."""

    host: str = ""
    origin: str | None = None
    fetch_site: str | None = None
    accept: str = ""
    length: str | None = None
    chunked: bool = False
    preflight: bool = False


class Door:
    """ASGI middleware around the whole application. Lifespan events pass untouched."""

    def __init__(self, app: ASGIApp, *, store: OwnerStore, settings: DoorSettings) -> None:
        self._app = app
        self._settings = settings
        self._cookies = Cookies(settings.secret, embedded=settings.embedded)
        self._sessions = gradio.Sessions(settings.secret)
        self._gate = Gate()
        self._headers = security_headers(settings.frame_ancestors)
        self._trusted = frozenset(origin.lower().rstrip("/") for origin in settings.trusted_origins)
        self._hosts = frozenset(host.lower() for host in settings.extra_hosts)
        self.owners = Owners(store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard = _hear(scope)
        trusted = heard.origin if heard.origin and heard.origin.lower() in self._trusted else None
        answering = _Answering(send, self._headers, trusted)
        try:
            self._check_origin(scope["method"], heard)
            self._check_length(heard)
            owner = await self._owner(scope, heard, answering)
            self._check_admitted(scope, heard, owner, answering)
            scope, receive = await self._passed(scope, receive, heard, owner)
            if owner is None:
                await self._app(scope, receive, answering.send)
            else:
                async with self.owners.watching(owner):
                    await self._app(scope, receive, answering.send)
        except _Refused as refused:
            await refused.answer(scope, receive, answering.send)
        except Revoked:
            await answering.cut(scope, receive)
        except StoreUnavailable as error:
            if answering.started:
                raise
            await error_answer(503, error.code, error.message, error.cure)(scope, receive, answering.send)
        except Exception as error:
            if answering.started:
                raise
            await unknown_error_answer(error)(scope, receive, answering.send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard = _hear(scope)
        try:
            self._check_origin("WEBSOCKET", heard)
            owner = await self._owner(scope, heard, None)
        except _Refused:
            owner = None
        if owner is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            async with self.owners.watching(owner):
                await self._app(_with_owner(scope, owner), receive, send)
        except Revoked:
            await send({"type": "websocket.close", "code": 1008})

    def _check_origin(self, method: str, heard: _Heard) -> None:
        if self._settings.access == "local" and not (
            is_loopback(heard.host) or host_name(heard.host) in self._hosts
        ):
            raise _Refused(
                error_answer(
                    403,
                    "host_not_allowed",
                    "This server answers only under the address of this machine.",
                    "Open it as http://localhost with its port, or start it with --host to serve others.",
                )
            )
        changes = method not in SAFE_METHODS or heard.preflight
        if changes and not may_change(
            host=heard.host, origin=heard.origin, fetch_site=heard.fetch_site, trusted=self._trusted
        ):
            raise _Refused(
                error_answer(
                    403,
                    "cross_origin",
                    "The request came from another site's page and was not carried out.",
                    "Open webchat itself and try again there.",
                )
            )

    def _check_length(self, heard: _Heard) -> None:
        if heard.length is None:
            return
        if not (heard.length.isascii() and heard.length.isdigit()):
            raise _Refused(error_answer(400, "bad_request", "The request's length makes no sense."))
        if int(heard.length) > self._settings.body_bytes:
            raise _Refused(_too_large(self._settings.body_bytes))

    async def _owner(self, scope: Scope, heard: _Heard, answering: _Answering | None) -> Owner | None:
        if self._settings.access == "local":
            return await self.owners.local()
        cookie = self._cookies.read(scope["headers"])
        owner = None if cookie is None else await self.owners.admitted(cookie.owner_id)
        opens_page = scope["path"] == "/" and scope.get("method") == "GET" and "text/html" in heard.accept
        if answering is None or not opens_page:
            return owner
        if owner is None and self._settings.access == "open":
            owner = await self.owners.newcomer()
            self._give_cookie(scope, owner, answering)
        elif owner is not None and cookie is not None and cookie.stale:
            self._give_cookie(scope, owner, answering)
        return owner

    def _give_cookie(self, scope: Scope, owner: Owner, answering: _Answering) -> None:
        secure = self._settings.secure_cookies or scope["scheme"] == "https"
        answering.add(b"set-cookie", self._cookies.header(owner.id, secure=secure).encode("ascii"))

    def _check_admitted(
        self, scope: Scope, heard: _Heard, owner: Owner | None, answering: _Answering
    ) -> None:
        path: str = scope["path"]
        if path in _GATE and scope["method"] in ("GET", "HEAD"):
            if self._settings.access == "local":
                raise _Refused(RedirectResponse("/", 303))
            raise _Refused(self._gate_page(200, answering))
        if gradio.is_closed(path):
            raise _Refused(error_answer(404, "not_found", "There is nothing at this address."))
        if owner is not None or path in _OPEN:
            return
        wants_page = scope["method"] in ("GET", "HEAD") and "text/html" in heard.accept
        if wants_page and not path.startswith(_JSON_BELOW):
            raise _Refused(self._gate_page(401, answering))
        raise _Refused(_no_owner())

    def _gate_page(self, status: int, answering: _Answering) -> Response:
        ancestors = " ".join(self._settings.frame_ancestors) or "'none'"
        answering.replace(b"content-security-policy", self._gate.policy(ancestors))
        return self._gate.answer(status)

    async def _passed(
        self, scope: Scope, receive: Receive, heard: _Heard, owner: Owner | None
    ) -> tuple[Scope, Receive]:
        """The request as the application sees it."""
        scope = _with_owner(scope, owner)
        path: str = scope["path"]
        in_body = owner is not None and scope["method"] == "POST" and gradio.session_in_body(path)
        if heard.chunked or in_body:
            body = await _read(receive, self._settings.body_bytes)
            if in_body and owner is not None:
                try:
                    body = self._sessions.in_body(owner.id, body)
                except gradio.BadSession:
                    raise _Refused(error_answer(400, "bad_request", "The request is not valid.")) from None
            scope["headers"] = _with_length(scope["headers"], len(body))
            receive = _replay(body, receive)
        if owner is not None and gradio.session_in_query(path):
            scope["query_string"] = self._sessions.in_query(owner.id, scope["query_string"])
        session = gradio.session_in_path(path)
        if owner is not None and session is not None:
            start = path[: len(path.rstrip("/")) - len(session)]
            scope["path"] = start + self._sessions.hash_for(owner.id, session)
            scope["raw_path"] = scope["path"].encode("ascii", "ignore")
        return scope, receive


class _Answering:
    """The way out: hardens the start of the answer, and can end it early."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]], trusted: str | None) -> None:
        self._send = send
        self._headers = headers
        self._trusted = trusted
        self.started = False
        self._ended = False
        self._sized = False

    def replace(self, name: bytes, value: bytes) -> None:
        self._headers = [(n, value if n == name else v) for n, v in self._headers]

    def add(self, name: bytes, value: bytes) -> None:
        self._headers = [*self._headers, (name, value)]

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = hardened(message.get("headers", ()), self._headers, self._trusted)
            self._sized = "content-length" in MutableHeaders(raw=headers)
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._ended = True
        await self._send(message)

    async def cut(self, scope: Scope, receive: Receive) -> None:
        """End the answer of a guest whose link has ended."""
        if not self.started:
            await _no_owner()(scope, receive, self.send)
        elif not self._ended and not self._sized:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _hear(scope: Scope) -> _Heard:
    heard = _Heard()
    method: str | None = scope.get("method")
    for name, value in scope["headers"]:
        match name:
            case b"host":
                heard.host = value.decode("latin-1")
            case b"origin":
                heard.origin = value.decode("latin-1")
            case b"sec-fetch-site":
                heard.fetch_site = value.decode("latin-1")
            case b"accept":
                heard.accept = value.decode("latin-1")
            case b"content-length":
                heard.length = value.decode("latin-1")
            case b"transfer-encoding":
                heard.chunked = True
            case b"access-control-request-method":
                heard.preflight = method == "OPTIONS"
    return heard


def _with_owner(scope: Scope, owner: Owner | None) -> Scope:
    return {**scope, "state": {**scope.get("state", {}), "owner": owner}}


async def _read(receive: Receive, most: int) -> bytes:
    """The whole body of a request that does not say its length, or whose body the door must see."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(error_answer(400, "bad_request", "The request ended too early."))
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise _Refused(_too_large(most))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    gone = (b"content-length", b"transfer-encoding")
    return [(n, v) for n, v in headers if n not in gone] + [(b"content-length", str(length).encode())]


def _no_owner() -> Response:
    return error_answer(
        401,
        "no_owner",
        "This chat opens with a link.",
        "Open the link you were given; if it has ended, ask for a new one.",
    )


def _too_large(most: int) -> Response:
    return error_answer(
        413,
        "too_large",
        f"The request is larger than {most} bytes and was not carried out.",
        "Send less at once.",
        {"limit": most},
        {"connection": "close"},
    )
