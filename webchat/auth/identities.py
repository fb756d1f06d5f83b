"""From a request's cookies to an owner who may enter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from starlette.types import Scope

from webchat.auth.api_keys import Keys
from webchat.auth.cookies import Cookies, SignIn
from webchat.auth.forwarding import is_unnamed_proxy, is_within, one_person
from webchat.auth.incoming import Heard
from webchat.auth.origin import by_own_https_page, surely_https
from webchat.auth.owners import Admission, Owners, OwnerStore, Refusal
from webchat.auth.passwords.devices import Devices
from webchat.auth.proxy import Proxied
from webchat.auth.sessions import is_token, is_vouched
from webchat.auth.settings import DoorSettings
from webchat.recent import new_people
from webchat.store.database.codec import new_id
from webchat.store.records import Owner

log = logging.getLogger(__name__)


class Identities:
    """Reads sign-ins and decides whom they admit. link_ended: called with the id of an owner whose link has
    ended, and why, to stop their replies. proxied: admits whom the proxy in front names."""

    def __init__(
        self,
        store: OwnerStore,
        settings: DoorSettings,
        *,
        link_ended: Callable[[str, Refusal], None] | None = None,
        proxied: Proxied | None = None,
    ) -> None:
        self.owners = Owners(store, link_ended=link_ended)
        self.keys = Keys(self.owners)
        self._settings = settings
        self._proxied = proxied
        self._told = False
        self._new = new_people()
        self.devices = Devices(settings.secret)
        self._cookies = Cookies(settings.secret, embedded=settings.embedded, root_path=settings.root_path)

    def sign_in(self, scope: Scope, heard: Heard) -> SignIn:
        """What the request's cookies say; empty on a loopback start, and of nobody's concern beside a key."""
        if self._settings.access == "local" or heard.keys:
            return SignIn()
        by_https = (
            self._settings.secure_cookies
            or scope.get("scheme") in ("https", "wss")
            or surely_https(heard.host, heard.fetch_site)
        )
        return self._cookies.read(
            scope["headers"],
            by_https=by_https,
            secure=by_https or by_own_https_page(heard.host, heard.origin),
            host=heard.host,
            path=self._settings.root_path + scope["path"],
        )

    async def aclose(self) -> None:
        """Close what it keeps open to others."""
        if self._proxied is not None:
            await self._proxied.aclose()

    def arriving(self, scope: Scope) -> Scope:
        """The request as it came over the connection, with what only its peer can tell in its state: the word
        of the proxy in front, and whether everybody may share one address."""
        unnamed = is_unnamed_proxy(scope, self._settings.trusted_proxies)
        if unnamed and not self._told:
            self._told = True
            log.warning(
                "Requests come through a proxy at %s that trusted_proxies doesn't list, so everyone has its"
                " address, and limits by address are off. List it to tell people apart.",
                scope["client"][0],
            )
        scope = {**scope, "state": {**scope.get("state", {}), "unnamed_proxy": unnamed}}
        return scope if self._proxied is None else self._proxied.taken(scope)

    async def admission(self, scope: Scope, heard: Heard, sign_in: SignIn) -> Admission:
        """The request's owner, by its API key or its cookies, or why it is admitted as nobody. On an open
        server, anyone who opens the page without an owner gets a new one, with `new` set. Raises `Refused`
        after too many wrong keys."""
        if heard.keys:
            # Of two different ones, neither is trusted.
            key = next(iter(heard.keys)) if len(heard.keys) == 1 else ""
            return await self.keys.admission(key, self.network(scope))
        if self._settings.access == "local":
            return Admission(await self.owners.local())
        if sign_in.conflict:
            return Admission(refusal="two_owners")
        cookie, is_open = sign_in.cookie, self._settings.access == "open"
        if self._proxied is not None:
            opens = _opens_page(scope, heard) and (
                heard.fetch_dest in (None, "document") or self._settings.embedded
            )
            found = await self._proxied.admission(scope, sign_in, self.owners, opens_page=opens)
            if found is not None:
                return found
        if cookie is not None and is_vouched(cookie.owner_id):  # of a start that had such a proxy
            admission = Admission(refusal="signed_out")
        elif cookie is not None:
            admission = await self.owners.admitted(cookie.owner_id)
            if is_open and not admission.stored:
                admission = Admission(_new_visitor(cookie.owner_id), stored=False)
        else:
            missing: Refusal = "no_cookie" if is_open else ""
            admission = Admission(refusal="unknown" if sign_in.given else missing)
        if admission.owner is not None or not _opens_page(scope, heard):
            return admission
        # Somebody whose session has ended is told so, not made a stranger without a word.
        if admission.refusal in ("signed_out", "disabled"):
            return admission
        if (
            cookie is None
            and await self.older(sign_in) is not None
            and heard.fetch_dest in (None, "document")
        ):
            return Admission(refusal="older")
        return Admission(_new_visitor(new_id()), stored=False, new=True) if is_open else admission

    def network(self, scope: Scope) -> str | None:
        """The network under which a client's actions are counted; `None` for one that is exempt, or where
        everybody may have the same."""
        client = scope.get("client")
        if (
            client is None
            or scope["state"]["unnamed_proxy"]
            or is_within(client[0], self._settings.trusted_networks)
        ):
            return None
        return one_person(client[0])

    async def keep(self, owner: Owner, network: str | None) -> bool:
        """Store an owner who so far is only a signed cookie; returns whether the network may have one
        more."""
        if network is not None:
            if self._new.full(network):
                return False
            self._new.add(network)
        await self.owners.keep(owner)
        return True

    async def older(self, sign_in: SignIn) -> Owner | None:
        """The owner named by a cookie that anyone may have planted: never an operator, nor anybody who signs
        in, whose name is their own to choose."""
        if sign_in.older is None or is_token(sign_in.older.owner_id):
            return None
        owner = (await self.owners.admitted(sign_in.older.owner_id)).owner
        return None if owner is None or owner.operates else owner

    async def admitted(self, ids: Iterable[str]) -> list[Owner]:
        """Those of the owners who may still enter, without asking the proxy again."""
        found = [(await self.owners.admitted(id)).owner for id in ids if not is_vouched(id)]
        return [owner for owner in found if owner is not None]

    async def bearers(self, sign_in: SignIn, owners: Iterable[Owner]) -> list[str]:
        """What the cookie is to name for each of the owners: who signed in, by the token of their session."""
        entries = () if sign_in.cookie is None else sign_in.cookie.owners
        found = [((await self.owners.admitted(entry)).owner, entry) for entry in reversed(entries)]
        known = {owner.id: entry for owner, entry in found if owner is not None}
        return [known.get(owner.id, owner.id) for owner in owners]

    async def choice(self, sign_in: SignIn) -> list[Owner]:
        """The owners this browser may continue as, the latest first."""
        if sign_in.cookie is not None:
            return await self.admitted(sign_in.cookie.owners)
        older = await self.older(sign_in)
        return [] if older is None else [older]

    def headers(self, sign_in: SignIn, bearers: Sequence[str]) -> list[str]:
        """`Set-Cookie` headers that sign the browser in as the first and remember the others; with none, they
        forget everybody. Cookies that others may have set next to ours are deleted."""
        if not bearers:
            return [self._cookies.cleared(secure=sign_in.secure), *sign_in.clear]
        first, *rest = bearers
        return [
            self._cookies.header(first, rest, secure=sign_in.secure, instead=sign_in.cookie),
            *sign_in.clear,
        ]


def _opens_page(scope: Scope, heard: Heard) -> bool:
    """Whether a browser opens the chat, or a page beside it in a window of its own."""
    path: str = scope["path"]
    beside = path.startswith("/pages/") and heard.fetch_dest in (None, "document")
    return (path == "/" or beside) and scope.get("method") == "GET" and "text/html" in heard.accept


def _new_visitor(owner_id: str) -> Owner:
    """A visitor of an open server: only a signed cookie until there is something to store."""
    return Owner(owner_id, "visitor", "Visitor", None, datetime.now(UTC))
