"""API keys, as the store hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

KeyScope = Literal["chat", "read", "write"]
"""What a key opens: `chat` the routes of `/v1`; `read` and `write` those of `/api` that read or change what
its person has."""

KeyEnd = Literal["", "key_revoked", "key_expired"]

SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a key may be used for, and how much.

    scopes: what it opens. models: names, empty for all. stored: whether replies made through `/v1` are kept
    as conversations. requests_per_minute, at_once: of requests; tokens_per_day: that models write, in a
    day of UTC; `None` for no limit.
    """

    scopes: frozenset[KeyScope] = frozenset(SCOPES)
    models: tuple[str, ...] = ()
    stored: bool = True
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A person's key. Of its secret, only a hash is stored. prefix: the part that is shown and looked up.
    tokens: what models wrote for it on the day it was last counted, `day` in ISO format."""

    id: str
    owner_id: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    terms: KeyTerms = KeyTerms()
    day: str = ""
    tokens: int = 0

    def end(self, now: datetime) -> KeyEnd:
        """Why it opens nothing any more; empty while it does."""
        if self.revoked_at is not None:
            return "key_revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "key_expired"
        return ""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key in the operator's list, with the name of whose it is."""

    key: ApiKey
    owner: str
