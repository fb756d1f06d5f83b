"""People who sign in, and their sessions, as the store hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

PASSWORD_ISSUER = "password"
"""The issuer of people who sign in with a password kept here. Their subject is their user name."""

PROXY_ISSUER = "proxy"
"""The issuer of people whom a proxy names in a header. Where it signs the header, the signer's name follows
after a space."""

SESSION_IDLE = timedelta(days=30)
SESSION_AGE = timedelta(days=180)
"""A session ends when it was not used for that long, and at that age at the latest."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in. issuer and subject: who vouches for them, and under which name. operates: is an
    operator. seen_at: when a session of theirs was last used.
    trains: whether they let their judgements train models."""

    owner_id: str
    issuer: str
    subject: str
    name: str
    email: str | None
    operates: bool
    created_at: datetime
    seen_at: datetime | None
    disabled_at: datetime | None
    trains: bool = False

    @property
    def proxied(self) -> bool:
        """Whether a proxy in front of this server signs them in."""
        return self.issuer.partition(" ")[0] == PROXY_ISSUER


@dataclass(frozen=True, slots=True)
class Session:
    """Where a person is signed in. device: the browser and system, for people to recognize."""

    id: str
    owner_id: str
    device: str
    created_at: datetime
    used_at: datetime
    ended_at: datetime | None
