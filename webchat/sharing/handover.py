"""Continuing on another device: a short code that signs another browser in as the same guest.

A code has 10 of 31 characters, so there are 8 * 10**14. It is valid for ten minutes, once, and a guest has
three at most. A thousand guesses a second for ten minutes, with a thousand codes open, find one with a
probability below one in a million, so no limit has to lock out those who type the right code. Wrong codes
are limited by network, more tightly while very many come from everywhere; a network that sent none is always
heard.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from webchat.recent import Recent
from webchat.sharing.links import hash_of
from webchat.sharing.redeem import AlreadySomeone, LinkError, TooManyTries
from webchat.store.calling import Calls
from webchat.store.errors import LinkEnded, NotFound
from webchat.store.records import Owner

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without characters that look alike."""
CODE_CHARS = 10
VALID_FOR = timedelta(minutes=10)
MOST_OPEN = 3
"""Valid codes of one guest; another one ends the oldest."""

WRONG_SECONDS = 600
MOST_WRONG = 20
"""Wrong codes from one network within `WRONG_SECONDS`."""
MOST_WRONG_OVERALL = 1000
"""So many from everywhere leave each network `MOST_WRONG_THEN`."""
MOST_WRONG_THEN = 3


class CodeInvalid(LinkError):
    """No guest has this code, or it was used or is too old: the same answer for all."""

    code = "code_invalid"
    message = "This code is not valid."
    cure = "Check it, or get a new one on the other device. A code works once, for ten minutes."


class HandoverStore(Calls, Protocol):
    """The parts of the store used to continue elsewhere."""

    def add_handover(self, owner_id: str, code_hash: str, expires_at: datetime, most: int) -> None: ...

    def handover(self, code_hash: str) -> Owner: ...

    def take_handover(self, code_hash: str) -> Owner: ...

    def owns_anything(self, owner_id: str) -> bool: ...


def make_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARS))


def spaced(code: str) -> str:
    """As it is shown: in two halves."""
    return f"{code[: CODE_CHARS // 2]}-{code[CODE_CHARS // 2 :]}"


def read_code(text: str) -> str | None:
    """The code in what somebody typed; `None` if there is none."""
    code = "".join(char for char in text.upper() if char not in " -\u2010\u2013\u2014\t\r\n")
    return code if len(code) == CODE_CHARS and set(code) <= set(ALPHABET) else None


class Handovers:
    """Makes and redeems codes. wrong, overall: count wrong codes by network, and all of them."""

    def __init__(
        self, store: HandoverStore, *, wrong: Recent | None = None, overall: Recent | None = None
    ) -> None:
        self._store = store
        self._wrong = wrong or Recent(MOST_WRONG, WRONG_SECONDS)
        self._few = Recent(MOST_WRONG_THEN, WRONG_SECONDS)
        self._overall = overall or Recent(MOST_WRONG_OVERALL, WRONG_SECONDS)

    async def begin(self, guest: Owner) -> tuple[str, datetime]:
        """A new code for the guest, as it is shown, and when it expires."""
        code, expires_at = make_code(), datetime.now(UTC) + VALID_FOR
        await self._store.call(self._store.add_handover, guest.id, hash_of(code), expires_at, MOST_OPEN)
        return spaced(code), expires_at

    async def redeem(
        self, text: str, *, network: str | None, mine: Sequence[Owner], confirmed: bool
    ) -> tuple[Owner, ...]:
        """The guest of a code, then those of `mine` that the browser is to remember.

        network: under which wrong codes are counted, `None` for one where everybody may be. mine: whom the
        browser's cookie names, the one it is first. Raises `LinkError`, `LinkEnded` of the store, and
        `AlreadySomeone` where the browser is somebody else's and they have not `confirmed` to leave.
        """
        if network is not None and self._refused(network):
            raise TooManyTries
        hashed = hash_of(read_code(text) or "")
        try:
            guest: Owner = await self._store.call(self._store.handover, hashed)
        except NotFound:
            self._count(network)
            raise CodeInvalid from None
        if guest.link is None:
            raise CodeInvalid
        if end := guest.link.end(datetime.now(UTC)):
            raise LinkEnded(end)
        keep = [owner for owner in mine if owner != guest and await self._is_somebody(owner)]
        if mine and mine[0] in keep and not confirmed:
            raise AlreadySomeone(mine[0])
        try:
            await self._store.call(self._store.take_handover, hashed)
        except NotFound:  # another browser was faster
            raise CodeInvalid from None
        return (guest, *keep)

    async def _is_somebody(self, owner: Owner) -> bool:
        return owner.operates or await self._store.call(self._store.owns_anything, owner.id)

    def _refused(self, network: str) -> bool:
        return (self._few if self._overall.full("") else self._wrong).full(network)

    def _count(self, network: str | None) -> None:
        self._overall.add("")
        if network is not None:
            self._wrong.add(network)
            self._few.add(network)
