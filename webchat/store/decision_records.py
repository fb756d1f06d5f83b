"""What moderators decided, as the store hands it out, and the texts they may be tried on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backends.types import Role


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """What a moderator decided about a text. start, end: of what it found, in characters. content: the text
    around that, where the operator keeps it. number: set by the store, in the order of writing."""

    at: datetime
    moderator: str
    rule: str
    stage: str
    action: str
    owner_id: str | None
    conversation_id: str | None
    message_id: str | None
    model: str | None
    start: int
    end: int
    detail: str | None = None
    content: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions are asked for; `None` asks for all."""

    rule: str | None = None
    stage: str | None = None
    action: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """How often a rule did something."""

    rule: str
    moderator: str
    action: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredText:
    """The words of a message, whoever wrote it."""

    message_id: str
    conversation_id: str
    owner_id: str
    role: Role
    text: str
    at: datetime
