"""Times and names as the console tells them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from webchat.console.asking import Caller
from webchat.store.people_records import PASSWORD_ISSUER, Person


def moment(caller: Caller, at: datetime, now: datetime | None = None) -> str:
    """How long ago, up to a week; else the date. A server does not know the reader's time zone."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        count = int(seconds // length)
        if count >= 1:
            if unit == "days" and count > 7:
                return at.date().isoformat()
            return caller.t(f"console.time.{unit}", count=count)
    return caller.t("console.time.now")


def last_day(end: datetime) -> str:
    """Of a key or link, as it was written if that was a date."""
    return (end - timedelta(microseconds=1)).astimezone().date().isoformat()


def short(id: str) -> str:
    """The end of an id, to tell things of one name apart."""
    return id[-6:]


def person_name(person: Person) -> str:
    """By which operators know somebody: the name they sign in with, too."""
    if person.issuer == PASSWORD_ISSUER:
        return person.subject if person.name in ("", person.subject) else f"{person.name} ({person.subject})"
    return person.email or person.name or person.subject


def plain(text: str) -> str:
    """Text in which Markdown sees nothing of its own."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]()<>#+-.!|~$&:@" else char for char in text)
