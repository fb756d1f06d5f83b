"""What moderators decided, as the store hands it out, and the texts they may be tried on."""

from __future__ import annotations

from dataclasses import dataclass, field
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


STORED_KINDS = (
    "message",
    "turn",
    "conversation",
    "judgement",
    "comparison",
    "share",
    "shared",
    "import",
    "answer",
)
"""What has texts that can be looked at again, in this order. turn: what a reply's model was told besides;
shared: messages of shares; answer: to a link's questions."""


@dataclass(frozen=True, slots=True)
class StoredWanted:
    """Which stored texts to look at again. since: written at or after. link_id: by people who came by that
    link. owner_id: by that person."""

    since: datetime | None = None
    link_id: str | None = None
    owner_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A text, and where it is stored. kind, key: of its row. column: of the row; one with several texts has
    a place for each."""

    kind: str
    key: tuple[str | int, ...]
    column: str
    owner_id: str
    link_id: str | None
    conversation_id: str | None
    message_id: str | None
    model: str | None
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredPlaces:
    """A page. last: the key of the last row that was looked at, of whatever owner; `None` after the end."""

    places: tuple[StoredPlace, ...]
    last: tuple[str | int, ...] | None
