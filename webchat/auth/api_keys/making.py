"""New keys, as people describe them on the wire and on the command line. Checked here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Protocol

from pydantic import Field, ValidationError

from webchat.auth.api_keys.tokens import make_token
from webchat.prompts.content import Strict
from webchat.sharing.links import BadLifetime, hash_of, parse_lifetime
from webchat.sharing.terms import MOST_COUNT, MOST_MODELS, BadTerms, expected
from webchat.store.key_records import SCOPES, ApiKey, KeyScope, KeyTerms

MOST_NAME = 100

Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Name = Annotated[str, Field(min_length=1, max_length=400)]


class BadKey(BadTerms):
    """A key that cannot be."""

    code = "key_terms"


class KeyContent(Strict):
    """What is left out is unrestricted. The fields are explained at `webchat.store.key_records.KeyTerms`."""

    scopes: Annotated[list[KeyScope], Field(min_length=1, max_length=len(SCOPES))] = Field(
        default_factory=lambda: list(SCOPES)
    )
    models: Annotated[list[Name], Field(max_length=MOST_MODELS)] = Field(default_factory=list)
    stored: bool = True
    requests_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    at_once: Count | None = None

    def terms(self) -> KeyTerms:
        return KeyTerms(
            frozenset(self.scopes),
            tuple(dict.fromkeys(self.models)),
            self.stored,
            self.requests_per_minute,
            self.tokens_per_day,
            self.at_once,
        )


class KeyKeeper(Protocol):
    """The part of the store that makes keys."""

    def create_key(
        self,
        owner: str,
        name: str,
        prefix: str,
        token_hash: str,
        expires_at: datetime | None,
        terms: KeyTerms,
    ) -> ApiKey: ...


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key: the only time its secret is known."""

    key: ApiKey
    token: str = field(repr=False)


def read_key_terms(given: Mapping[str, object]) -> KeyTerms:
    """Raises `BadKey`, which names the first field that is wrong."""
    try:
        return KeyContent.model_validate(given).terms()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise BadKey(str(first["loc"][0] if first["loc"] else "key"), expected(first["msg"])) from None


def new_key(store: KeyKeeper, owner: str, name: str, lifetime: str, now: datetime, terms: KeyTerms) -> NewKey:
    """Create a key. lifetime: as of a link. Raises `BadKey`, and what the store raises."""
    named = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    if not named or len(named) > MOST_NAME:
        raise BadKey("name", f"give the key a name of 1 to {MOST_NAME} characters")
    prefix, token = make_token()
    try:
        expires_at = parse_lifetime(lifetime, now)
    except BadLifetime as error:
        raise BadKey("expires", str(error.params["reason"])) from None
    return NewKey(store.create_key(owner, named, prefix, hash_of(token), expires_at, terms), token)
