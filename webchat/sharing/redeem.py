"""From a token to an owner."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from webchat.sharing.links import OPERATOR_PREFIX, START_PREFIX, hash_of, is_token, make_token
from webchat.store.errors import NotFound
from webchat.store.records import Link, Owner, OwnerKind

FAILURES_PER_MINUTE = 10
_MOST_ADDRESSES = 10_000


class LinkError(Exception):
    """Why a token opens nothing. `code` is the stable name that interfaces translate by."""

    code = "link_invalid"
    status = 404
    message = "This link does not work."
    cure = "It may be incomplete: copy it once more, or ask for a new one."


class LinkInvalid(LinkError):
    """No link has this token, or it is not a token at all: the same answer for both."""


class LinkExpired(LinkError):
    """Said only to a bearer of the right token."""

    code = "link_expired"
    status = 410
    message = "This link has expired."
    cure = "Ask for a new one."


class LinkRevoked(LinkError):
    """Said only to a bearer of the right token."""

    code = "link_revoked"
    status = 410
    message = "This link was withdrawn."
    cure = "Ask for a new one."


class TooManyTries(LinkError):
    """Too many wrong tokens from one address within a minute."""

    code = "too_many_tries"
    status = 429
    message = "Too many tries."
    cure = "Wait a minute, then try again."


class LinkStore(Protocol):
    """What redeeming needs of the store."""

    def create_owner(self, kind: OwnerKind, name: str, link_id: str | None = None) -> Owner: ...

    def keep_owner(self, owner: Owner) -> Owner: ...

    def make_operator(self, owner_id: str) -> Owner: ...

    def link_by_hash(self, token_hash: str) -> Link: ...

    def touch_link(self, link_id: str) -> Any: ...

    async def call(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...


class StartLink:
    """A link a server prints when it starts. Its token lives as long as the process; whoever used it stays
    known by a cookie."""

    def __init__(self, prefix: str = START_PREFIX) -> None:
        self.token = make_token(prefix)

    def opens(self, token: str) -> bool:
        return hmac.compare_digest(hash_of(self.token), hash_of(token))

    def url(self, base: str) -> str:
        return f"{base.rstrip('/')}/t#{self.token}"


class OperatorLink(StartLink):
    """The link that makes its bearer an operator."""

    def __init__(self) -> None:
        super().__init__(OPERATOR_PREFIX)


class Failures:
    """Counts wrong tokens by address. Right ones are neither counted nor stopped: a class of testers behind
    one router opens its link within the same minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def too_many(self, address: str) -> bool:
        times = self._seen.get(address)
        if times is None:
            return False
        while times and self._clock() - times[0] >= 60:
            times.popleft()
        if not times:
            del self._seen[address]
        return len(times) >= FAILURES_PER_MINUTE

    def add(self, address: str) -> None:
        self._seen.setdefault(address, deque(maxlen=FAILURES_PER_MINUTE)).append(self._clock())
        self._seen.move_to_end(address)
        while len(self._seen) > _MOST_ADDRESSES:
            self._seen.popitem(last=False)


class Redeemer:
    """Makes owners of those who bring a token."""

    def __init__(
        self,
        store: LinkStore,
        *,
        start: StartLink | None = None,
        operator: OperatorLink | None = None,
        failures: Failures | None = None,
    ) -> None:
        self._store = store
        self._start = start
        self._operator = operator
        self._failures = failures or Failures()

    async def redeem(self, token: str, *, address: str, current: Owner | None) -> Owner:
        """The owner the bearer of `token` now is. Whoever already came by this link (`current`) stays who
        they are and keeps their conversations. Raises `LinkError`.

        address: under which wrong tokens are counted. A right one opens however many wrong ones came from
        there: behind a proxy that is not known as one, all people have one address.
        """
        if self._operator is not None and self._operator.opens(token):
            return await self._make_operator(current)
        if self._start is not None and self._start.opens(token):
            if current is not None and current.kind in ("visitor", "operator"):
                return current
            visitor: Owner = await self._store.call(self._store.create_owner, "visitor", "Visitor")
            return visitor
        try:
            link = await self._link(token)
        except LinkInvalid:
            if self._failures.too_many(address):
                raise TooManyTries from None
            self._failures.add(address)
            raise
        if current is not None and current.link_id == link.id:
            return current
        guest: Owner = await self._store.call(self._store.create_owner, "guest", link.name, link.id)
        await self._store.call(self._store.touch_link, link.id)
        return guest

    async def _make_operator(self, current: Owner | None) -> Owner:
        if current is not None and current.kind in ("visitor", "operator"):
            # At an open server a visitor who wrote nothing yet is a signed cookie and no more.
            current = await self._store.call(self._store.keep_owner, current)
        else:
            current = await self._store.call(self._store.create_owner, "visitor", "Operator")
        operator: Owner = await self._store.call(self._store.make_operator, current.id)
        return operator

    async def _link(self, token: str) -> Link:
        if not is_token(token):
            raise LinkInvalid
        try:
            link: Link = await self._store.call(self._store.link_by_hash, hash_of(token))
        except NotFound:
            raise LinkInvalid from None
        if link.revoked_at is not None:
            raise LinkRevoked
        if link.expires_at is not None and datetime.now(UTC) >= link.expires_at:
            raise LinkExpired
        return link
