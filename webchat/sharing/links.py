"""Tester links: a capability in a URL fragment.

The token is 32 random bytes and stands behind `#`, where neither servers, proxies nor `Referer` see it. Only
its SHA-256 is stored: nothing slower is needed for a secret that cannot be guessed, and nothing keyed, so
that a link made at the command line works whatever secret the server signs its cookies with.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Protocol

from webchat.store.records import Link

PREFIX = "wt1_"
START_PREFIX = "wts_"
OPERATOR_PREFIX = "wto_"
LONGEST = timedelta(days=3650)

_TOKEN = re.compile(r"wt[1so]_[A-Za-z0-9_-]{43}")
_SPAN = re.compile(r"(\d{1,5})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class BadLifetime(ValueError):
    """The lifetime of a link is invalid; the message says why."""


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


class LinkMaker(Protocol):
    def create_link(self, name: str, token_hash: str, expires_at: datetime | None) -> Link: ...


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link: the only time its token is known."""

    link: Link
    token: str = field(repr=False)

    def url(self, base: str) -> str:
        """The URL to hand out, under the server's address."""
        return f"{base.rstrip('/')}/t#{self.token}"


def new_link(store: LinkMaker, name: str, lifetime: str, now: datetime) -> NewLink:
    """Create a tester link. Raises `BadLifetime`, and what the store raises."""
    token = make_token()
    return NewLink(store.create_link(name, hash_of(token), parse_lifetime(lifetime, now)), token)
