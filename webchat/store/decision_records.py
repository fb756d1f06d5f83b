"""What moderators decided, as the store hands it out, and the texts they may be tried on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backends.types import Role


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A moderator's decision about a text. start, end: of the finding, in characters. content: the text
    around it, if the operator keeps it. number: set by the store, in order of writing."""

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
    """Which decisions to return; `None` returns all."""

    rule: str | None = None
    stage: str | None = None
    action: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """How often a rule acted."""

    rule: str
    moderator: str
    action: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredText:
    """The text of a message, whoever wrote it."""

    message_id: str
    conversation_id: str
    owner_id: str
    role: Role
    text: str
    at: datetime
