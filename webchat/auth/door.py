"""The outermost layer of the server: every request passes here before any route of ours or Gradio's.

It determines the request's owner (`scope["state"]["owner"]`), rejects requests that come from foreign pages,
are too large or have no owner, and hardens every response. Handlers behind it still query the store as that
owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webchat.auth.answering import Answering
from webchat.auth.answers import FAILED, Gate, error_answer, no_owner, too_large, unknown_error_answer
from webchat.auth.cookies import SignIn, guests_of
from webchat.auth.failures import failure_answer
from webchat.auth.forwarding import is_elsewhere, with_client
from webchat.auth.headers import Hardening
from webchat.auth.identities import Identities
from webchat.auth.incoming import (
    MOST_ADDRESS,
    Heard,
    Refused,
    hear,
    read_body,
    replay,
    small,
    with_length,
)
from webchat.auth.origin import SAFE_METHODS, host_name, is_loopback, may_be_tls_only, may_change
from webchat.auth.owners import Admission, Refusal, Revoked
from webchat.auth.settings import DoorSettings
from webchat.store.errors import StoreUnavailable
from webchat.store.key_records import KeyScope
from webchat.store.records import Owner
from webchat.turns.errors import failure_of

_HEALTH = frozenset({"/healthz", "/readyz"})
_OPEN = _HEALTH | {"/healthz/stream", "/t/redeem", "/t/switch", "/api/handover/redeem"}
_SHARED = "/s/"
"""Read-only shares. Whoever reads them stays nobody: their address is all it takes."""
_OPEN_BELOW = ("/sign-in/", _SHARED)
_SIGN_IN = "/sign-in"
_GATE = frozenset({"/t", "/t/", _SIGN_IN})
_MOST_DIGITS = 18
_PROXY_SIGNS_IN = (
    "proxy_signs_in",
    "The proxy in front of this server signs you in.",
    "To be somebody else, sign out there first.",
)
_FOR_PROGRAMS = ("/v1/", "/mcp")
_JSON_BELOW = ("/api/", *_FOR_PROGRAMS)


def no_keys(method: str, path: str) -> None:
    """No API key opens anything."""


class Door:
    """ASGI middleware around the whole application. Lifespan events pass through unchanged.

    identities: decides who may enter. body_limit: maximum bytes of a body, by method and path. key_scope:
    what an API key needs there, `None` where none may go.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        identities: Identities,
        settings: DoorSettings,
        body_limit: Callable[[str, str], int] = small,
        key_scope: Callable[[str, str], KeyScope | None] = no_keys,
    ) -> None:
        self._app = app
        self._body_limit = body_limit
        self._key_scope = key_scope
        self._settings = settings
        self._gate = Gate()
        self._hardening = Hardening(settings.frame_ancestors)
        self._trusted = frozenset(origin.lower().rstrip("/") for origin in settings.trusted_origins)
        self._hosts = frozenset(host.lower() for host in settings.extra_hosts)
        self._identities = identities
        self._owners = identities.owners
        self._keys = identities.keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # Whether the peer is a proxy to be believed is asked first: afterwards the client is another.
        scope = self._identities.arriving(_below(scope, self._settings.root_path))
        scope = with_client(scope, self._settings.trusted_proxies)
        await (self._http if scope["type"] == "http" else self._websocket)(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard = hear(scope)
        if scope["path"] in _HEALTH:
            heard.keys = frozenset()
        trusted = heard.origin if heard.origin and heard.origin.lower() in self._trusted else None
        tls_only = self._by_tls(scope) and may_be_tls_only(heard.host)
        answering = Answering(send, self._hardening, trusted, tls_only=tls_only)
        try:
            _check_room(scope)
            self._check_host(scope, heard)
            self._check_origin(scope["method"], scope, heard)
            self._check_length(scope, heard)
            sign_in = self._identities.sign_in(scope, heard)
            shared = scope["path"].startswith(_SHARED) and not heard.keys
            answering.shared = shared
            admission = Admission() if shared else await self._identities.admission(scope, heard, sign_in)
            await self._check_admitted(scope, heard, sign_in, admission, answering)
            with self._keys.using(admission, self._key_scope(scope["method"], scope["path"])):
                await self._answer(scope, receive, heard, sign_in, admission, answering)
        except Refused as refused:
            await refused.answer(scope, receive, answering.send)
        except Revoked as revoked:
            await answering.cut(scope, receive, revoked.refusal)
        except StoreUnavailable as error:
            if answering.started:
                raise
            await failure_answer(503, failure_of(error), None)(scope, receive, answering.send)
        except Exception as error:
            if answering.started:
                raise
            await unknown_error_answer(error)(scope, receive, answering.send)

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        heard: Heard,
        sign_in: SignIn,
        admission: Admission,
        answering: Answering,
    ) -> None:
        """Pass the request of somebody who was let in to the application."""
        owner = admission.owner
        if owner is not None:
            self._renew(sign_in, admission, owner, heard, answering)
            if not admission.stored and _may_store(scope):
                await self._keep(scope, owner)
        scope, receive = await self._passed(
            _signed_in(scope, sign_in, admission, answering.nonce), receive, heard
        )
        # Signing in replaces a session: the end of the old one does not cut it.
        if owner is None or scope["path"].startswith(_OPEN_BELOW):
            await self._app(scope, receive, answering.send)
        else:
            async with self._owners.watching(admission):
                await self._app(scope, receive, answering.send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        heard = hear(scope)
        try:
            self._check_host(scope, heard)
            self._check_origin("WEBSOCKET", scope, heard)
            if heard.keys:  # there is none that a key opens
                raise Refused(no_owner("key_unknown"))
            sign_in = self._identities.sign_in(scope, heard)
            admission = await self._identities.admission(scope, heard, sign_in)
        except Refused:
            admission = Admission()
        owner = admission.owner
        if owner is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            async with self._owners.watching(admission):
                await self._app(_signed_in(scope, sign_in, admission, ""), receive, send)
        except Revoked:
            await send({"type": "websocket.close", "code": 1008})

    def _check_host(self, scope: Scope, heard: Heard) -> None:
        # The client too: where the app is served by another server, only that one knows on which address.
        if self._settings.access == "local" and (
            is_elsewhere(scope) or not (is_loopback(heard.host) or host_name(heard.host) in self._hosts)
        ):
            raise Refused(
                error_answer(
                    403,
                    "host_not_allowed",
                    "This server can only be opened at this machine's own address.",
                    "Open it at http://localhost with its port, or start it with --host to serve others.",
                )
            )

    def _check_origin(self, method: str, scope: Scope, heard: Heard) -> None:
        # A key is nothing that a browser sends by itself, and beside one no cookie counts.
        if heard.keys:
            return
        # Another site's page can read nothing here, but it could have answers made, and time them. The proxy
        # names the person with whatever it asks for, also where the browser would send no cookie.
        named = bool(scope.get("state", {}).get("vouch")) and heard.fetch_dest != "document"
        programs = scope["path"].startswith(_JSON_BELOW) or "/gradio_api/" in scope["path"]
        asked_elsewhere = heard.fetch_site is not None and (named or programs)
        guarded = method not in SAFE_METHODS or heard.preflight or asked_elsewhere
        if guarded and not may_change(
            host=heard.host, origin=heard.origin, fetch_site=heard.fetch_site, trusted=self._trusted
        ):
            raise Refused(
                error_answer(
                    403,
                    "cross_origin",
                    "The request came from another site and was rejected.",
                    "Open webchat directly and try again.",
                )
            )

    def _check_length(self, scope: Scope, heard: Heard) -> None:
        if len(scope["path"]) + len(scope["query_string"]) > MOST_ADDRESS:
            raise Refused(error_answer(414, "too_large", "The address is too long."))
        if heard.length is None:
            return
        if not (heard.length.isascii() and heard.length.isdigit()):
            raise Refused(error_answer(400, "bad_request", "The request's Content-Length is not valid."))
        most = self._body_limit(scope["method"], scope["path"])
        # The number itself may be of any length.
        if len(heard.length) > _MOST_DIGITS or int(heard.length) > most:
            raise Refused(too_large(most))

    def _renew(
        self, sign_in: SignIn, admission: Admission, owner: Owner, heard: Heard, answering: Answering
    ) -> None:
        """Set a cookie in a browser that has none for this owner yet, or an old one."""
        cookie = sign_in.cookie
        stale = cookie is not None and cookie.stale and "text/html" in heard.accept
        if admission.bearer is not None:
            answering.cookies += self._identities.headers(sign_in, (admission.bearer, *guests_of(sign_in)))
        elif admission.new or stale:
            entries = () if cookie is None else cookie.owners
            # A session is named by its token, never by the id of its owner.
            first = (owner.id,) if admission.new else ()
            answering.cookies += self._identities.headers(sign_in, (*first, *entries))

    def _by_tls(self, scope: Scope) -> bool:
        return self._settings.secure_cookies or scope["scheme"] == "https"

    async def _keep(self, scope: Scope, owner: Owner) -> None:
        if not await self._identities.keep(owner, self._identities.network(scope)):
            raise Refused(
                error_answer(
                    429,
                    "too_many_people",
                    "Too many new people have come through your network in the last hour.",
                    "Try again in an hour.",
                )
            )

    async def _check_admitted(
        self, scope: Scope, heard: Heard, sign_in: SignIn, admission: Admission, answering: Answering
    ) -> None:
        path: str = scope["path"]
        refusal = admission.refusal
        wants_page = scope["method"] in ("GET", "HEAD") and "text/html" in heard.accept
        if heard.keys:
            if admission.owner is None:
                raise Refused(no_owner(refusal))
            return
        if refusal == "two_owners" and path not in _HEALTH:
            answering.cookies += sign_in.clear
        elif admission.vouched and path not in _HEALTH and (path in _OPEN or path.startswith(_OPEN_BELOW)):
            raise Refused(error_answer(409, *_PROXY_SIGNS_IN))
        elif path in _GATE and scope["method"] in ("GET", "HEAD"):
            useless = admission.vouched or (path == _SIGN_IN and not self._settings.ways.people)
            if self._settings.access == "local" or useless:
                raise Refused(RedirectResponse("../" if path.endswith("/") else "./", 303))
            # Where a link is being opened, an older one is nobody's concern.
            raise Refused(self._gate_page(200, "", (), path, answering))
        elif admission.owner is not None or path in _OPEN or path.startswith(_OPEN_BELOW):
            return
        if wants_page and not path.startswith(_JSON_BELOW):
            offers = sign_in.cookie is not None or refusal == "older"
            people = await self._identities.choice(sign_in) if offers else ()
            status = FAILED[refusal].status if refusal in FAILED else 401
            raise Refused(self._gate_page(status, refusal, people, path, answering))
        if refusal in ("", "no_cookie", "unknown") and path.startswith(_JSON_BELOW):
            if heard.bearer:
                refusal = "key_unknown"
            elif path.startswith(_FOR_PROGRAMS):
                refusal = "key_needed"
        raise Refused(no_owner(refusal, self._settings.ways))

    def _gate_page(
        self, status: int, refusal: Refusal, people: Sequence[Owner], path: str, answering: Answering
    ) -> Response:
        answering.policy = self._hardening.framed(self._gate.policy)
        # Never from the address itself, in which `//` may begin the name of another server.
        root = self._settings.root_path
        home = f"{root}/" if root else "../" * (path.count("/") - 1) or "./"
        return self._gate.answer(status, self._settings.ways, refusal, people, home)

    async def _passed(self, scope: Scope, receive: Receive, heard: Heard) -> tuple[Scope, Receive]:
        """The request as the application sees it: a body of unknown length is read here, up to the limit."""
        if heard.chunked:
            body = await read_body(receive, self._body_limit(scope["method"], scope["path"]))
            scope["headers"] = with_length(scope["headers"], len(body))
            receive = replay(body, receive)
        return scope, receive


def _check_room(scope: Scope) -> None:
    """Reject requests on connections beyond the limit; `webchat.connections` sets `full`."""
    if scope.get("state", {}).get("full") and scope["path"] not in _HEALTH:
        raise Refused(
            error_answer(
                503,
                "server_full",
                "The server can't accept more connections.",
                "Try again in a moment.",
                headers={"connection": "close", "retry-after": "5"},
            )
        )


def _below(scope: Scope, root_path: str) -> Scope:
    """The request as if it had been made without the path under which a proxy serves the app."""
    path: str = scope["path"]
    if not root_path or not f"{path}/".startswith(f"{root_path}/"):
        return scope
    # However often it stands there: what was left of it, Gradio would take away after the door has looked.
    while f"{path}/".startswith(f"{root_path}/"):
        path = path[len(root_path) :] or "/"
    # An app that mounts this one there says so too; routes below would look for it in the path.
    return {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogatepass"), "root_path": ""}


def _may_store(scope: Scope) -> bool:
    """Whether the request may be the first to store something for its owner. Reading stores nothing: a
    crawler costs no row."""
    path: str = scope["path"]
    return scope["method"] not in SAFE_METHODS and path.startswith((*_JSON_BELOW, "/pages/"))


def _signed_in(scope: Scope, sign_in: SignIn, admission: Admission, nonce: str) -> Scope:
    state = {
        "owner": admission.owner,
        "session": admission.session,
        "key": admission.key,
        "vouched": admission.vouched,
        "sign_in": sign_in,
        "nonce": nonce,
    }
    return {**scope, "state": {**scope.get("state", {}), **state}}
