"""Sessions of people who signed in: a random token in the cookie, its hash in the store."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from webchat.store.calling import Calls
from webchat.store.people_records import Person, Session
from webchat.store.records import Owner

TOUCH_AFTER = timedelta(minutes=1)
"""How old the stored time of the last use may become."""

_PREFIX = "ws1_"
_VOUCHED = "wp1_"
"""Of sessions that only hold together with the word of the proxy in front."""
_TOKEN = re.compile(rf"(?:{_PREFIX}|{_VOUCHED})[A-Za-z0-9_-]{{43}}")
_MOST_DEVICE = 60

_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("CrOS", "ChromeOS"), ("Macintosh", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip


class SessionStore(Calls, Protocol):
    """The parts of the store that sessions need."""

    def person(self, owner_id: str) -> Person: ...

    def start_session(
        self, owner_id: str, token_hash: str, device: str, password_hash: str | None = None
    ) -> Session: ...

    def session(self, token_hash: str) -> tuple[Session, Owner]: ...

    def touch_session(self, session_id: str) -> None: ...

    def living_sessions(self, session_ids: Sequence[str]) -> list[str]: ...

    def end_session(self, owner_id: str, session_id: str) -> None: ...


def make_token(*, vouched: bool = False) -> str:
    return (_VOUCHED if vouched else _PREFIX) + secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether a text has the format of a session's token; says nothing about whether it is valid."""
    return _TOKEN.fullmatch(text) is not None


def is_vouched(text: str) -> bool:
    """Whether it is the token of a session of somebody whom the proxy signs in."""
    return is_token(text) and text.startswith(_VOUCHED)


def device_of(user_agent: str) -> str:
    """The browser and system in the words people know them by, from `User-Agent`: "Firefox, Windows"."""
    named = (
        next((name for mark, name in marks if mark in user_agent), "") for marks in (_BROWSERS, _SYSTEMS)
    )
    return ", ".join(name for name in named if name)[:_MOST_DEVICE]
