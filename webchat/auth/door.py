"""The outermost layer of the server: every request passes here before any route of ours or of Gradio's.

It decides who the request is for (`scope["state"]["owner"]`), turns away what comes from foreign pages, is
too large, or has no owner, and hardens every answer. Handlers behind it still ask the store as that owner.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webchat.auth.answering import Answering
from webchat.auth.answers import Gate, error_answer, no_owner, too_large, unknown_error_answer
from webchat.auth.cookies import Cookies
from webchat.auth.failures import failure_answer
from webchat.auth.forwarding import with_client
from webchat.auth.headers import Hardening
from webchat.auth.incoming import (
    MOST_QUERY,
    Heard,
    Refused,
    hear,
    read_body,
    replay,
    small,
    with_length,
)
from webchat.auth.origin import SAFE_METHODS, host_name, is_loopback, may_be_tls_only, may_change
from webchat.auth.owners import Admission, Owners, OwnerStore, Refusal, Revoked
from webchat.settings.networks import Network
from webchat.store.codec import new_id
from webchat.store.errors import StoreUnavailable
from webchat.store.records import Owner
from webchat.turns.errors import failure_of

log = logging.getLogger(__name__)

_REDEEM = "/t/redeem"
_HEALTH = frozenset({"/healthz", "/readyz"})
_OPEN = _HEALTH | {_REDEEM}
_GATE = frozenset({"/t", "/t/"})
_MOST_DIGITS = 18
_JSON_BELOW = ("/api/", "/v1/")


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """How the door stands.

    access: `local` (loopback only: one local owner, no questions), `link` (whoever redeemed a link), or
    `open` (whoever opens the page becomes an owner of their own, stored with their first message).
    secret: signs cookies; see `load_or_make_secret`.
    embedded: the page may be shown inside another site's frame, so the cookie is `SameSite=None`.
    frame_ancestors: CSP sources of those sites; nobody may frame the page by default.
    trusted_origins: other origins (`https://chat.example.org`) whose pages count as ours.
    extra_hosts: names besides the loopback ones under which a loopback server may be addressed.
    trusted_proxies: networks of the proxies whose word on client and scheme counts.
    secure_cookies: people come by https although the last hop may be plain http.
    root_path: a path such as `/chat` under which a proxy serves the app. Whether the proxy takes it away or
    not, the app behind the door sees paths without it.
    """

    access: Literal["local", "link", "open"]
    secret: str = field(repr=False)
    embedded: bool = False
    frame_ancestors: tuple[str, ...] = ()
    trusted_origins: frozenset[str] = frozenset()
    extra_hosts: frozenset[str] = frozenset()
    secure_cookies: bool = False
    root_path: str = ""
    trusted_proxies: tuple[Network, ...] = ()


class Door:
    """ASGI middleware around the whole application. Lifespan events pass untouched.

    body_limit: for method and path, most bytes of a body. link_ended: called with the id of a guest whose
    link has ended, to stop their replies.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        store: OwnerStore,
        settings: DoorSettings,
        body_limit: Callable[[str, str], int] = small,
        link_ended: Callable[[str], None] | None = None,
    ) -> None:
        self._app = app
        self._body_limit = body_limit
        self._settings = settings
        self._cookies = Cookies(settings.secret, embedded=settings.embedded)
        self._gate = Gate()
        self._hardening = Hardening(settings.frame_ancestors)
        self._trusted = frozenset(origin.lower().rstrip("/") for origin in settings.trusted_origins)
        self._hosts = frozenset(host.lower() for host in settings.extra_hosts)
        self.owners = Owners(store, link_ended=link_ended)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope = with_client(_below(scope, self._settings.root_path), self._settings.trusted_proxies)
        await (self._http if scope["type"] == "http" else self._websocket)(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard = hear(scope)
        trusted = heard.origin if heard.origin and heard.origin.lower() in self._trusted else None
        tls_only = self._by_tls(scope) and may_be_tls_only(heard.host)
        answering = Answering(send, self._hardening, trusted, tls_only=tls_only)
        try:
            _check_room(scope)
            self._check_origin(scope["method"], scope["path"], heard)
            self._check_length(scope, heard)
            admission = await self._admission(scope, heard, answering)
            self._check_admitted(scope, heard, admission, answering)
            owner = admission.owner
            if owner is not None and not admission.stored and _may_store(scope):
                await self.owners.keep(owner)
            scope, receive = await self._passed(_with_owner(scope, owner), receive, heard)
            if owner is None:
                await self._app(scope, receive, answering.send)
            else:
                answer = (
                    self._forgetting(owner, answering.send) if scope["path"] == _REDEEM else answering.send
                )
                async with self.owners.watching(owner):
                    await self._app(scope, receive, answer)
        except Refused as refused:
            await refused.answer(scope, receive, answering.send)
        except Revoked as revoked:
            await answering.cut(scope, receive, revoked.refusal)
        except StoreUnavailable as error:
            if answering.started:
                raise
            log.error("the store failed: %s", error)
            await failure_answer(503, failure_of(error), None)(scope, receive, answering.send)
        except Exception as error:
            if answering.started:
                raise
            await unknown_error_answer(error)(scope, receive, answering.send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard = hear(scope)
        try:
            self._check_origin("WEBSOCKET", scope["path"], heard)
            owner = (await self._admission(scope, heard, None)).owner
        except Refused:
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

    def _check_origin(self, method: str, path: str, heard: Heard) -> None:
        if self._settings.access == "local" and not (
            is_loopback(heard.host) or host_name(heard.host) in self._hosts
        ):
            raise Refused(
                error_answer(
                    403,
                    "host_not_allowed",
                    "This server answers only under the address of this machine.",
                    "Open it as http://localhost with its port, or start it with --host to serve others.",
                )
            )
        # Another site's page can read nothing here, but it could have answers made, and time them.
        asked_elsewhere = heard.fetch_site is not None and path.startswith(_JSON_BELOW)
        guarded = method not in SAFE_METHODS or heard.preflight or asked_elsewhere
        if guarded and not may_change(
            host=heard.host, origin=heard.origin, fetch_site=heard.fetch_site, trusted=self._trusted
        ):
            raise Refused(
                error_answer(
                    403,
                    "cross_origin",
                    "The request came from another site's page and was not carried out.",
                    "Open webchat itself and try again there.",
                )
            )

    def _check_length(self, scope: Scope, heard: Heard) -> None:
        if len(scope["query_string"]) > MOST_QUERY:
            raise Refused(error_answer(414, "too_large", "The address is too long."))
        if heard.length is None:
            return
        if not (heard.length.isascii() and heard.length.isdigit()):
            raise Refused(error_answer(400, "bad_request", "The request's length makes no sense."))
        most = self._body_limit(scope["method"], scope["path"])
        # The number itself may be of any length.
        if len(heard.length) > _MOST_DIGITS or int(heard.length) > most:
            raise Refused(too_large(most))

    async def _admission(self, scope: Scope, heard: Heard, answering: Answering | None) -> Admission:
        if self._settings.access == "local":
            return Admission(await self.owners.local())
        cookie = self._cookies.read(scope["headers"])
        if cookie is not None:
            admission = await self.owners.admitted(cookie.owner_id)
        else:
            admission = Admission(refusal="unknown" if self._cookies.given(scope["headers"]) else "")
        is_open = self._settings.access == "open"
        if is_open and cookie is not None and not admission.stored:
            admission = Admission(_new_visitor(cookie.owner_id), stored=False)
        opens_page = scope["path"] == "/" and scope.get("method") == "GET" and "text/html" in heard.accept
        if answering is None or not opens_page:
            return admission
        if admission.owner is None and is_open:
            visitor = _new_visitor(new_id())
            self._give_cookie(scope, visitor, answering)
            admission = Admission(visitor, stored=False)
        elif admission.owner is not None and cookie is not None and cookie.stale:
            self._give_cookie(scope, admission.owner, answering)
        return admission

    def _forgetting(self, owner: Owner, send: Send) -> Send:
        """For the answer to a link that was opened: what is cached of its owner is dropped before it is sent,
        because the next request may follow at once."""

        async def forget_and_send(message: Message) -> None:
            self.owners.forget(owner.id)
            await send(message)

        return forget_and_send

    def _give_cookie(self, scope: Scope, owner: Owner, answering: Answering) -> None:
        answering.set_cookie(self._cookies.header(owner.id, secure=self._by_tls(scope)))

    def _by_tls(self, scope: Scope) -> bool:
        return self._settings.secure_cookies or scope["scheme"] == "https"

    def _check_admitted(self, scope: Scope, heard: Heard, admission: Admission, answering: Answering) -> None:
        path: str = scope["path"]
        if path in _GATE and scope["method"] in ("GET", "HEAD"):
            if self._settings.access == "local":
                raise Refused(RedirectResponse("../" if path.endswith("/") else "./", 303))
            raise Refused(self._gate_page(200, "", answering))
        if admission.owner is not None or path in _OPEN:
            return
        wants_page = scope["method"] in ("GET", "HEAD") and "text/html" in heard.accept
        if wants_page and not path.startswith(_JSON_BELOW):
            raise Refused(self._gate_page(401, admission.refusal, answering))
        raise Refused(no_owner(admission.refusal))

    def _gate_page(self, status: int, refusal: Refusal, answering: Answering) -> Response:
        answering.policy = self._hardening.framed(self._gate.policy)
        return self._gate.answer(status, refusal)

    async def _passed(self, scope: Scope, receive: Receive, heard: Heard) -> tuple[Scope, Receive]:
        """The request as the application sees it: a body of unknown length is read here, up to the limit."""
        if heard.chunked:
            body = await read_body(receive, self._body_limit(scope["method"], scope["path"]))
            scope["headers"] = with_length(scope["headers"], len(body))
            receive = replay(body, receive)
        return scope, receive


def _check_room(scope: Scope) -> None:
    """Turn away what came on a connection beyond the last; `full` is what `webchat.connections` notes."""
    if scope.get("state", {}).get("full") and scope["path"] not in _HEALTH:
        raise Refused(
            error_answer(
                503,
                "server_full",
                "The server has no room for more connections.",
                "Try again in a moment.",
                headers={"connection": "close", "retry-after": "5"},
            )
        )


def _below(scope: Scope, root_path: str) -> Scope:
    """The request as if it had been made without the path that a proxy serves the app under."""
    path: str = scope["path"]
    if not root_path or not f"{path}/".startswith(f"{root_path}/"):
        return scope
    # However often it stands there: what was left of it, Gradio would take away after the door has looked.
    while f"{path}/".startswith(f"{root_path}/"):
        path = path[len(root_path) :] or "/"
    return {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogatepass")}


def _may_store(scope: Scope) -> bool:
    """Whether what is asked for may be the first thing that is stored for its owner. Looking stores nothing:
    a crawler costs no row."""
    path: str = scope["path"]
    return scope["method"] not in SAFE_METHODS and path.startswith("/api/")


def _new_visitor(owner_id: str) -> Owner:
    """A visitor of an open server: a signed cookie and nothing else until there is something to store."""
    return Owner(owner_id, "visitor", "Visitor", None, datetime.now(UTC))


def _with_owner(scope: Scope, owner: Owner | None) -> Scope:
    return {**scope, "state": {**scope.get("state", {}), "owner": owner}}
