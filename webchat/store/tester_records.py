"""The conversations of testers, as operators see them, and the log of who looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from webchat.store.records import Message, Page

LookAction = Literal["list", "search", "read", "note", "answers", "judged", "reviewed", "replayed"]


@dataclass(frozen=True, slots=True)
class TesterChat:
    """A conversation of somebody who came by a link. tester: tells the people of a link apart. note, tags:
    by operators."""

    id: str
    link_id: str
    tester: str
    title: str
    created_at: datetime
    updated_at: datetime
    running: bool
    note: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadChat:
    """A conversation and the newest messages of its active branch."""

    chat: TesterChat
    messages: Page[Message]


@dataclass(frozen=True, slots=True)
class Look:
    """An operator looked at what testers wrote. operator: their name then. searched: what they looked for."""

    number: int
    at: datetime
    operator_id: str
    operator: str
    action: LookAction
    link_id: str
    conversation_id: str | None
    searched: str | None
