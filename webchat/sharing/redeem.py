"""From a token to an owner."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from backends.errors import ExplainedError
from webchat.recent import Recent, new_people
from webchat.sharing.links import OPERATOR_PREFIX, START_PREFIX, hash_of, is_token, make_token
from webchat.store.calling import Calls
from webchat.store.errors import LinkFull, NotFound
from webchat.store.link_records import NO_TERMS, Link, LinkEnd, LinkTerms
from webchat.store.records import Owner, OwnerKind

FAILURES_PER_MINUTE = 10


class LinkError(ExplainedError):
    """Why a token is rejected."""

    code = "link_invalid"
    status = 404
    message = "This link is not valid."
    cure = "Copy the whole link, or ask for a new one."


class LinkInvalid(LinkError):
    """No link has this token, or it is not a token at all: the same answer for both."""


class LinkExpired(LinkError):
    """Reported only to a bearer of the right token."""

    code = "link_expired"
    status = 410
    message = "This link has expired."
    cure = "Ask for a new one."


class LinkRevoked(LinkError):
    """Reported only to a bearer of the right token."""

    code = "link_revoked"
    status = 410
    message = "This link was revoked."
    cure = "Ask for a new one."


class LinkPaused(LinkError):
    """Reported only to a bearer of the right token."""

    code = "link_paused"
    status = 403
    message = "This link is paused."
    cure = "Try again later, or ask the person who gave it to you."


_ENDS: Mapping[LinkEnd, type[LinkError]] = {
    "link_revoked": LinkRevoked,
    "link_expired": LinkExpired,
    "link_paused": LinkPaused,
}


class TooManyTries(LinkError):
    """Too many wrong tokens from one address within a minute."""

    code = "too_many_tries"
    status = 429
    message = "Too many attempts."
    cure = "Wait a minute, then try again."


class TooManyPeople(LinkError):
    """One link, or one address, has reached the limit of new owners within an hour."""

    code = "too_many_people"
    status = 429
    message = "Too many new people have come through this link or your network in the last hour."
    cure = "Try again in an hour, or ask for a new link."


class AlreadySomeone(LinkError):
    """The visitor is already signed in as someone else and has not confirmed the change."""

    code = "already_someone"
    status = 409
    message = "You are already signed in as someone else."
    cure = "Stay signed in, or open the link as a new person."

    def __init__(self, current: Owner) -> None:
        super().__init__(params={"kind": current.kind, "name": current.name})


class LinkStore(Calls, Protocol):
    """The parts of the store used to redeem links."""

    def create_owner(self, kind: OwnerKind, name: str, link_id: str | None = None) -> Owner: ...

    def owns_anything(self, owner_id: str) -> bool: ...

    def create_link(
        self, name: str, token_hash: str, expires_at: datetime | None, terms: LinkTerms = NO_TERMS
    ) -> Link: ...

    def link(self, link_id: str) -> Link: ...

    def link_by_hash(self, token_hash: str) -> Link: ...


class StartLink:
    """A link that a server prints when it starts. Its token lives as long as the process; visitors who used
    it are recognized by a cookie until the link is revoked: the store has a record of it, created with its
    first use."""

    name = "start link"
    kind: OwnerKind = "visitor"
    owner_name = "Visitor"
    prefix = START_PREFIX

    def __init__(self) -> None:
        self.token = make_token(self.prefix)
        self.link_id: str | None = None
        self.lock = asyncio.Lock()

    def opens(self, token: str) -> bool:
        return hmac.compare_digest(hash_of(self.token), hash_of(token))

    def url(self, base: str) -> str:
        return f"{base.rstrip('/')}/t#{self.token}"


class OperatorLink(StartLink):
    """The link that makes its bearer an operator."""

    name = "operator's link"
    kind: OwnerKind = "operator"
    owner_name = "Operator"
    prefix = OPERATOR_PREFIX


@dataclass(frozen=True, slots=True)
class _Way:
    """What a token grants, and who uses it."""

    link: Link
    kind: OwnerKind
    name: str

    def made(self, owner: Owner) -> bool:
        """Whether an owner was created this way. Visitors and operators stay recognized across restarts of
        the server, each of which prints new links."""
        return owner.link_id == self.link.id if self.kind == "guest" else owner.kind == self.kind


class Redeemer:
    """Creates owners for bearers of a token. Wrong tokens are counted by address; right ones are neither
    counted nor blocked by wrong ones, because behind an unknown proxy all visitors have one address."""

    def __init__(
        self,
        store: LinkStore,
        *,
        start: StartLink | None = None,
        operator: OperatorLink | None = None,
        failures: Recent | None = None,
        people: Recent | None = None,
    ) -> None:
        self._store = store
        self._printed = [link for link in (operator, start) if link is not None]
        self._failures = failures or Recent(FAILURES_PER_MINUTE, 60)
        self._people = people or new_people()

    async def redeem(
        self, token: str, *, address: str, network: str | None, mine: Sequence[Owner], confirmed: bool
    ) -> tuple[Owner, ...]:
        """Who the bearer of `token` now is, then those of `mine` that the browser is to remember.

        Whoever came by this link before is who they were then. Nobody's rights rise: who becomes an operator
        is a new owner, whom no cookie named before. Raises `LinkError`; `AlreadySomeone` where the bearer is
        somebody else and has not `confirmed` to leave them; `LinkFull` of the store.

        address: under which wrong tokens are counted. network: under which new owners are; `None`: only by
        their link. mine: whom the browser's cookie names, the one it is first.
        """
        way = await self._way(token, address)
        current = mine[0] if mine else None
        if current is not None and (way.made(current) or (way.kind == "visitor" and current.operates)):
            return tuple(mine)
        keep = [owner for owner in mine if await self._is_somebody(owner)]
        if current is not None and current in keep and not confirmed:
            raise AlreadySomeone(current)
        known = next((owner for owner in mine if way.made(owner)), None)
        return (known or await self._new(way, network), *(owner for owner in keep if owner != known))

    async def _is_somebody(self, owner: Owner) -> bool:
        return owner.operates or await self._store.call(self._store.owns_anything, owner.id)

    async def _new(self, way: _Way, network: str | None) -> Owner:
        people = way.link.terms.people
        if people is not None and way.link.uses >= people:
            raise LinkFull(people)
        keys = [f"link {way.link.id}", *([] if network is None else [f"network {network}"])]
        if any(self._people.full(key) for key in keys):
            raise TooManyPeople
        for key in keys:
            self._people.add(key)
        owner: Owner = await self._store.call(self._store.create_owner, way.kind, way.name, way.link.id)
        return owner

    async def _way(self, token: str, address: str) -> _Way:
        for printed in self._printed:
            if printed.opens(token):
                link = await self._record(printed)
                way = _Way(link, printed.kind, printed.owner_name)
                break
        else:
            try:
                link = await self._link(token)
            except LinkInvalid:
                if self._failures.full(address):
                    raise TooManyTries from None
                self._failures.add(address)
                raise
            way = _Way(link, "guest", link.title)
        if end := link.end(datetime.now(UTC)):
            raise _ENDS[end]
        return way

    async def _record(self, printed: StartLink) -> Link:
        """The store's record of a printed link. Its hash is not of a token, so that nobody can use the link
        of an earlier start."""
        async with printed.lock:
            if printed.link_id is None:
                made = await self._store.call(
                    self._store.create_link, printed.name, hash_of(make_token()), None
                )
                printed.link_id = made.id
        link: Link = await self._store.call(self._store.link, printed.link_id)
        return link

    async def _link(self, token: str) -> Link:
        if not is_token(token):
            raise LinkInvalid
        try:
            link: Link = await self._store.call(self._store.link_by_hash, hash_of(token))
        except NotFound:
            raise LinkInvalid from None
        return link
