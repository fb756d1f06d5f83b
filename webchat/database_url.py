"""The parts of a database URL whose password may contain any character, even `@`, `/`, `?` and `#`."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?")
"""Else it may be a user and a password whose host is missing."""


def without_password(url: str) -> str:
    """The URL in a form safe to show: no user, password or parameters."""
    scheme, _, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        return url.partition("?")[0]
    place = _split(rest)[2].partition("?")[0]
    return f"{scheme}://{place if _HOST.fullmatch(place.partition('/')[0]) else '…'}"


def passwords_in(url: str) -> tuple[str, ...]:
    """The password, as written and decoded; nothing if there is none."""
    password = _split(url.partition("://")[2])[1]
    return tuple({password, unquote(password)} - {""})


def escaped(url: str) -> str:
    """The URL with its user and password escaped so that every URL parser finds the same parts."""
    scheme, mark, rest = url.partition("://")
    user, password, place = _split(rest)
    if scheme.startswith("sqlite") or place == rest:
        return url
    secret = f":{quote(unquote(password), safe='')}" if password else ""
    return f"{scheme}{mark}{quote(unquote(user), safe='')}{secret}@{place}"


def _split(rest: str) -> tuple[str, str, str]:
    """User, password and everything after the last `@`."""
    person, _, place = rest.rpartition("@")
    user, _, password = person.partition(":")
    return user, password, place
