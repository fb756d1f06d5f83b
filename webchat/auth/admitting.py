"""People as a provider or a proxy describes them, and the rules for who may enter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_NAME = 100
"""Characters of a name that are kept."""

_MOST_EMAIL = 254
_UNVERIFIED = ("email", "email_verified")


@dataclass(frozen=True, slots=True)
class Identity:
    """A person who has signed in elsewhere: `issuer` and `subject` identify them, the rest may change.

    email: only an address that the issuer has verified. claims: everything the issuer says.
    """

    issuer: str
    subject: str
    name: str = field(repr=False)
    email: str | None = field(repr=False)
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Rules:
    """Who is admitted: everyone to whom any of these applies, so nobody by default.

    emails, domains: in lower case. claims: the accepted values of a claim, such as `groups` or the path
    `realm_access.roles`. anyone: all who can sign in at the provider.
    """

    emails: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    anyone: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """The top-level claims the rules look at."""
        return frozenset(name.partition(".")[0] for name in self.claims)


def rules_of(entries: Iterable[str]) -> Rules:
    """Rules as settings have them: `ada@example.org`, `@example.org`, `groups=staff`, or `*` for anyone.

    Raises ValueError for any other text, and for the claim `email`, which only counts when verified.
    """
    emails, domains, anyone = set[str](), set[str](), False
    claims: dict[str, frozenset[str]] = {}
    for entry in (entry.strip() for entry in entries):
        claim, equals, value = (part.strip() for part in entry.partition("="))
        if entry == "*":
            anyone = True
        elif equals:
            if not claim or not value:
                raise ValueError(f"{entry!r}: write a claim and its value, such as groups=staff")
            if claim in _UNVERIFIED:
                raise ValueError(f"{entry!r}: write the e-mail address alone")
            claims[claim] = claims.get(claim, frozenset()) | {value}
        elif entry.startswith("@") and (address := email_of(f"x{entry}")):
            domains.add(_lower(address)[2:])
        elif address := email_of(entry):
            emails.add(_lower(address))
        else:
            raise ValueError(
                f"{entry!r} is not a rule; write ada@example.org, @example.org, groups=staff, or *"
            )
    return Rules(frozenset(emails), frozenset(domains), claims, anyone)


def admits(identity: Identity, rules: Rules) -> bool:
    """Whether any of the rules applies to the person."""
    if rules.anyone:
        return True
    email = "" if identity.email is None else _lower(identity.email)
    if email and (email in rules.emails or email.rpartition("@")[2] in rules.domains):
        return True
    return any(not values.isdisjoint(_values(identity.claims, name)) for name, values in rules.claims.items())


def email_of(value: object) -> str | None:
    """The value if it is an e-mail address, else `None`."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > _MOST_EMAIL:
        return None
    local, at, domain = value.rpartition("@")
    parts = bool(local and at and domain.strip(".") == domain != "" and "@" not in local)
    return value if parts and not set(value) & set(' ,;<>"\\()') else None


def name_of(*candidates: object) -> str:
    """The first usable one on one line, shortened to `MOST_NAME` characters; empty if there is none."""
    for value in candidates:
        if isinstance(value, str):
            words = "".join(char if char.isprintable() else " " for char in value).split()
            if words:
                return " ".join(words)[:MOST_NAME].rstrip()
    return ""


def _lower(text: str) -> str:
    """Only ASCII letters are folded: elsewhere, folding makes two different addresses the same (`ſ` and
    `s`)."""
    return "".join(char.lower() if char.isascii() else char for char in text)


def _values(claims: Mapping[str, object], name: str) -> set[str]:
    """The values of a claim, itself named with dots or found along them. An organisation of Hugging Face is
    an object; what identifies it are `sub` and `preferred_username`."""
    value: Any = claims.get(name)
    if value is None and "." in name:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    found = set[str]()
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Mapping):
            ids = (one.get("sub"), one.get("preferred_username"))
            found |= {id for id in ids if isinstance(id, str)}
        elif isinstance(one, bool):
            found.add("true" if one else "false")
        elif isinstance(one, (str, int)):
            found.add(str(one))
    return found
