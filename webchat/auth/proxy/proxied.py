"""People whom a proxy in front signs in: with each request, the session is compared with whom it names.

A browser that opens the page gets a session of its own, which only holds together with the proxy's word for
the same person. Programs send no cookie; all of one person's share a session.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from starlette.datastructures import Headers
from starlette.types import Scope

from webchat.auth.admitting import Identity, Rules, admits
from webchat.auth.cookies import SignIn
from webchat.auth.owners import Admission, Owners
from webchat.auth.providers import PersonStore
from webchat.auth.proxy.signed_header import SignedHeader
from webchat.auth.proxy.vouching import ProxyHeaders, Vouch, identity_of_vouch, take_vouch
from webchat.auth.sessions import SessionStore, device_of, is_token, is_vouched, make_token
from webchat.auth.sign_in_errors import ProviderUnreachable, SignInFailed
from webchat.recent import Recent
from webchat.settings.networks import Network
from webchat.sharing.links import hash_of
from webchat.store.errors import NotFound, PersonDisabled

SESSIONS_PER_HOUR = 60
"""New ones of one person. Whoever opens the page more often without keeping the cookie is a program."""
_MOST_KEPT = 10_000

_Entered = tuple[str, str | None, bool | None]
"""Name, address, and whether they operate. Other claims may be new with each request, such as when a token
was signed."""


class ProxiedStore(PersonStore, SessionStore, Protocol):
    """The parts of the store that hold these people."""


class Proxied:
    """Admits whom the proxy names.

    headers: where it does. trusted: networks of the proxies that are believed. signed: checks a signed
    header. allowed: who of them may enter. operators: who operates; `None` leaves that to the command line.
    """

    def __init__(
        self,
        store: ProxiedStore,
        headers: ProxyHeaders,
        trusted: Sequence[Network],
        allowed: Rules,
        operators: Rules | None = None,
        signed: SignedHeader | None = None,
    ) -> None:
        self._store = store
        self._headers = headers
        self._trusted = trusted
        self._allowed = allowed
        self._operators = operators
        self._signed = signed
        self._entered: OrderedDict[tuple[str, str], tuple[_Entered, str]] = OrderedDict()
        """What the store was last told of each person, and the id of their owner."""
        self._shared: OrderedDict[str, str] = OrderedDict()
        """Tokens of the sessions of programs, by owner."""
        self._begun = Recent(SESSIONS_PER_HOUR, 3600)
        self._lock = asyncio.Lock()

    def taken(self, scope: Scope) -> Scope:
        """The request without the proxy's headers, which are only in its state from now on."""
        scope, vouch = take_vouch(scope, self._headers, self._trusted)
        return {**scope, "state": {**scope.get("state", {}), "vouch": vouch}}

    async def admission(
        self, scope: Scope, sign_in: SignIn, owners: Owners, *, opens_page: bool
    ) -> Admission | None:
        """The person whom the proxy names, or why they are refused; `None` where a link may admit them: the
        proxy names nobody, or somebody without an account here. opens_page: a browser opens the page, and can
        be given a cookie."""
        vouch: Vouch | None = scope["state"]["vouch"]
        if vouch is None or not vouch.person:
            # Proxies let scripts and styles through without asking who wants them.
            asks = scope["path"] == "/" or scope["path"].startswith(("/api/", "/v1/", "/mcp"))
            return await self._unnamed(sign_in, owners, ends=vouch is not None and asks)
        try:
            identity = await self._identity(vouch)
        except SignInFailed as error:
            unreachable = isinstance(error, ProviderUnreachable)
            return Admission(refusal="sign_in_unreachable" if unreachable else "sign_in_invalid")
        if not admits(identity, self._allowed):
            await self._end(sign_in, owners)
            by_link = sign_in.cookie is not None and not is_token(sign_in.cookie.owner_id)
            return None if by_link else Admission(refusal="not_allowed")
        try:
            return await self._admitted(identity, scope, sign_in, owners, opens_page=opens_page)
        except PersonDisabled:
            return Admission(refusal="disabled")

    async def aclose(self) -> None:
        """Close the connections to where keys are read."""
        if self._signed is not None:
            await self._signed.aclose()

    async def _identity(self, vouch: Vouch) -> Identity:
        found = await self._signed.identity(vouch.person) if self._signed else identity_of_vouch(vouch)
        if found is None:
            raise SignInFailed("the header names nobody")
        return found

    async def _unnamed(self, sign_in: SignIn, owners: Owners, *, ends: bool) -> Admission | None:
        """A session that the proxy vouched for is over when it names nobody. One that comes past the proxy is
        refused, too, but goes on: the person has not left."""
        if sign_in.cookie is None or not is_vouched(sign_in.cookie.owner_id):
            return None
        if ends:
            await self._end(sign_in, owners)
        return Admission(refusal="signed_out")

    async def _admitted(
        self, identity: Identity, scope: Scope, sign_in: SignIn, owners: Owners, *, opens_page: bool
    ) -> Admission:
        owner_id = await self._entered_as(identity, owners)
        cookie = sign_in.cookie
        if cookie is not None and is_vouched(cookie.owner_id):
            held = await owners.admitted(cookie.owner_id)
            if held.owner is not None and held.owner.id == owner_id:
                return replace(held, vouched=True)
            if held.refusal == "disabled":
                return held
        if cookie is not None:
            await self._end(sign_in, owners)
            if not opens_page:
                # What this page sends was meant for whoever it showed, and is not put among another's chats.
                return Admission(refusal="signed_out")
        if not opens_page or self._begun.full(owner_id):
            return replace(await self._as_program(owner_id, owners), vouched=True)
        self._begun.add(owner_id)
        token = await self._begin(owner_id, device_of(Headers(scope=scope).get("user-agent", "")))
        return replace(await owners.admitted(token), bearer=token, vouched=True)

    async def _entered_as(self, identity: Identity, owners: Owners) -> str:
        """The id of the person's owner. The store is only told what has changed."""
        key = (identity.issuer, identity.subject)
        operates = None if self._operators is None else admits(identity, self._operators)
        entered = (identity.name, identity.email, operates)
        known, owner_id = self._entered.get(key, (None, ""))
        if known == entered:
            return owner_id
        person = await self._store.call(
            self._store.enter_person, *key, identity.name, identity.email, operates
        )
        if person.disabled_at is not None:
            raise PersonDisabled
        owners.reread(person.owner_id)
        self._entered[key] = entered, person.owner_id
        self._entered.move_to_end(key)
        while len(self._entered) > _MOST_KEPT:
            self._entered.popitem(last=False)
        return person.owner_id

    async def _as_program(self, owner_id: str, owners: Owners) -> Admission:
        async with self._lock:
            token = self._shared.get(owner_id)
            admission = Admission() if token is None else await owners.admitted(token)
            if admission.owner is None and admission.refusal != "disabled":
                self._shared[owner_id] = token = await self._begin(owner_id, "")
                admission = await owners.admitted(token)
            self._shared.move_to_end(owner_id)
            while len(self._shared) > _MOST_KEPT:
                self._shared.popitem(last=False)
        return admission

    async def _begin(self, owner_id: str, device: str) -> str:
        token = make_token(vouched=True)
        try:
            await self._store.call(self._store.start_session, owner_id, hash_of(token), device)
        except NotFound:  # the person is not there any more
            self._entered.clear()
            raise
        return token

    async def _end(self, sign_in: SignIn, owners: Owners) -> None:
        """End the browser's sessions, and what they have open: they were of somebody else."""
        for entry in () if sign_in.cookie is None else sign_in.cookie.owners:
            if is_token(entry):
                await owners.end_session(await owners.admitted(entry))
