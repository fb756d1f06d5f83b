"""Tester links: a capability in a URL fragment.

The token is 32 random bytes and stands behind `#`, where neither servers, proxies nor `Referer` see it. Only
its SHA-256 is stored: nothing slower is needed for a secret that cannot be guessed, and nothing keyed, so
that a link made at the command line works whatever secret the server signs its cookies with.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Literal, Protocol

from webchat.prompts.content import TemplateContent
from webchat.prompts.starters import starter
from webchat.sharing.terms import BadTerms, TermsContent
from webchat.store.errors import NotFound
from webchat.store.link_records import NO_TERMS, Link, LinkEnd, LinkTerms
from webchat.store.template_records import PromptTemplate

PREFIX = "wt1_"
START_PREFIX = "wts_"
OPERATOR_PREFIX = "wto_"
LONGEST = timedelta(days=3650)
MOST_NAME = 200

LinkState = Literal["active", "paused", "expired", "revoked"]
_STATES: Mapping[LinkEnd, LinkState] = {
    "": "active",
    "link_paused": "paused",
    "link_expired": "expired",
    "link_revoked": "revoked",
}

_TOKEN = re.compile(r"wt[1so]_[A-Za-z0-9_-]{43}")
_SPAN = re.compile(r"(\d{1,5})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class BadLifetime(BadTerms):
    """The lifetime of a link is invalid; the reason says why."""

    def __init__(self, reason: str) -> None:
        super().__init__("expires", reason)


def make_token(prefix: str = PREFIX) -> str:
    return prefix + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether a text has the format of a token; says nothing about whether it is valid."""
    return _TOKEN.fullmatch(text) is not None


def hash_of(token: str) -> str:
    """What is stored in place of the token: SHA-256 in hex."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def parse_lifetime(text: str, now: datetime) -> datetime | None:
    """When a link made `now` (aware) expires: `12h`, `7d`, `2w`, `30m`, or a date (inclusive, in `now`'s time
    zone). `never` gives `None`. Raises `BadLifetime`."""
    wanted = text.strip().lower()
    if wanted == "never":
        return None
    span = _SPAN.fullmatch(wanted)
    if span is not None:
        length = timedelta(**{_UNITS[span[2]]: int(span[1])})
        if not length:
            raise BadLifetime(f"{text!r} would expire at once")
        end = now + min(length, LONGEST)
    else:
        try:
            end = datetime.combine(date.fromisoformat(wanted) + timedelta(days=1), time(), now.tzinfo)
        except (ValueError, OverflowError):
            raise BadLifetime(
                f"{text!r} is not a duration such as 12h, 7d or 2w, a date such as 2027-01-31, or never"
            ) from None
        if end <= now:
            raise BadLifetime(f"{text!r} has already passed")
    return end


class LinkKeeper(Protocol):
    """The parts of the store that keep links."""

    def create_link(
        self, name: str, token_hash: str, expires_at: datetime | None, terms: LinkTerms = NO_TERMS
    ) -> Link: ...

    def link(self, link_id: str) -> Link: ...

    def template(self, owner: str, template_id: str) -> PromptTemplate: ...

    def change_link(
        self,
        link_id: str,
        *,
        name: str | None = None,
        expires_at: datetime | Literal["same"] | None = "same",
        paused: bool | None = None,
        terms: Callable[[LinkTerms], LinkTerms] | None = None,
    ) -> Link: ...


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link: the only time its token is known."""

    link: Link
    token: str = field(repr=False)

    def url(self, base: str) -> str:
        """The URL to hand out, under the server's address."""
        return f"{base.rstrip('/')}/t#{self.token}"


def new_link(
    store: LinkKeeper,
    name: str,
    lifetime: str,
    now: datetime,
    terms: TermsContent | None = None,
    profiles: Collection[str] = (),
) -> NewLink:
    """Create a tester link. profiles: names of the moderation profiles there are. Raises `BadLifetime`,
    `BadTerms`, and what the store raises."""
    token, expires_at = make_token(), parse_lifetime(lifetime, now)
    chosen = NO_TERMS if terms is None else terms.onto(NO_TERMS)
    _check_template(store, terms)
    _check_profile(terms, profiles)
    return NewLink(store.create_link(_named(name), hash_of(token), expires_at, chosen), token)


def change_link(
    store: LinkKeeper,
    link_id: str,
    now: datetime,
    *,
    name: str | None = None,
    lifetime: str | None = None,
    paused: bool | None = None,
    terms: TermsContent | None = None,
    profiles: Collection[str] = (),
) -> Link:
    """Change a link; what is left out stays as it is, and what is changed counts from the next request of its
    people. profiles: names of the moderation profiles there are. Raises `BadLifetime`, `BadTerms`, and what
    the store raises."""
    _check_template(store, terms)
    _check_profile(terms, profiles)
    return store.change_link(
        link_id,
        name=None if name is None else _named(name),
        expires_at="same" if lifetime is None else parse_lifetime(lifetime, now),
        paused=paused,
        terms=None if terms is None else terms.onto,
    )


def duplicate_link(store: LinkKeeper, link_id: str, now: datetime, name: str | None = None) -> NewLink:
    """Another link with the same terms, for as long as the first was made for. Nothing of it is used yet.
    Raises what the store raises."""
    link, token = store.link(link_id), make_token()
    lasts = None if link.expires_at is None else link.expires_at - link.created_at
    expires_at = None if lasts is None else now + max(lasts, timedelta(minutes=1))
    made = store.create_link(_named(name or link.name), hash_of(token), expires_at, link.terms)
    return NewLink(made, token)


def state_of(link: Link, now: datetime) -> LinkState:
    """What to show of a link in a list."""
    return _STATES[link.end(now)]


def _check_template(store: LinkKeeper, terms: TermsContent | None) -> None:
    """Raises `BadTerms` for a template that guests cannot use."""
    if terms is None or terms.template is None:
        return
    if (content := starter(terms.template)) is None:
        try:
            found = store.template("", terms.template)  # what everybody sees
        except NotFound:
            raise BadTerms("template", "there is no shared template with this id") from None
        content = TemplateContent.model_validate_json(json.dumps(dict(found.content)))
    asked = [one.name for one in content.variables if one.required and one.default is None]
    if content.system.strip() and asked:
        raise BadTerms("template", f"its variable {asked[0]} has no default")


def _check_profile(terms: TermsContent | None, profiles: Collection[str]) -> None:
    """Raises `BadTerms` for a moderation profile that is not in the rules file."""
    wanted = "" if terms is None else terms.moderation_profile
    if wanted and wanted not in profiles:
        known = f"there are {', '.join(profiles)}" if profiles else "the rules file has none"
        raise BadTerms("moderation_profile", f'there is no profile "{wanted}"; {known}')


def _named(name: str) -> str:
    """On one line. Raises `BadTerms` if nothing is left."""
    named = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    if not named or len(named) > MOST_NAME:
        raise BadTerms("name", f"give the link a name of 1 to {MOST_NAME} characters")
    return named
