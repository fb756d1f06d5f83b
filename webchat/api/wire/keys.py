"""API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from webchat.api.wire.base import Answer, Body, Time
from webchat.auth.api_keys import KeyContent
from webchat.store import key_records
from webchat.store.key_records import SCOPES, KeyScope


class ApiKey(Answer):
    """A key of the caller. prefix: its beginning, to recognize it by. models: empty for all. stored: whether
    what is asked through `/v1` is kept as conversations. expired: it opens nothing any more."""

    id: str
    name: str
    prefix: str
    scopes: tuple[KeyScope, ...]
    models: tuple[str, ...]
    stored: bool
    requests_per_minute: int | None
    tokens_per_day: int | None
    at_once: int | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    expired: bool

    @classmethod
    def read(cls, key: key_records.ApiKey, now: datetime) -> Self:
        terms = key.terms
        return cls(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            scopes=tuple(scope for scope in SCOPES if scope in terms.scopes),
            models=terms.models,
            stored=terms.stored,
            requests_per_minute=terms.requests_per_minute,
            tokens_per_day=terms.tokens_per_day,
            at_once=terms.at_once,
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            expired=bool(key.end(now)),
        )


class ApiKeyList(Answer):
    keys: tuple[ApiKey, ...]

    @classmethod
    def read(cls, found: Sequence[key_records.ApiKey], now: datetime) -> Self:
        return cls(keys=tuple(ApiKey.read(key, now) for key in found))


class NewApiKey(Answer):
    """token: the key itself, which is never shown again."""

    key: ApiKey
    token: str = Field(repr=False)


class NewApiKeyBody(Body):
    """expires: `12h`, `7d`, `2w`, a date such as `2027-01-31`, or `never`."""

    name: Annotated[str, Field(min_length=1, max_length=400)]
    expires: Annotated[str, Field(max_length=40)] = "never"
    terms: KeyContent = Field(default_factory=KeyContent)
