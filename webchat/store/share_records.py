"""Read-only shares, as the store hands them out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from backends.types import Role, ToolCall
from webchat.store.records import TurnState, calls_chars


@dataclass(frozen=True, slots=True)
class SharedMessage:
    """A message as it was when it was shared. reasoning: empty unless shared too; model: `None` unless its
    name is. tool_calls, tool_call_id: as in `backends.types.Message`."""

    role: Role
    text: str
    state: TurnState
    created_at: datetime
    reasoning: str = ""
    model: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def chars(self) -> int:
        """Of its texts."""
        return len(self.text) + len(self.reasoning) + calls_chars(self.tool_calls)


@dataclass(frozen=True, slots=True)
class Share:
    """A copy of messages that anyone with its id may read.

    id: cannot be guessed. messages, chars: how many there are, and how long they are together, counting the
    bytes of their media. allow_copy: readers may continue it as a chat of their own. preview: other sites may
    show its title and beginning where somebody posts the link. masked: personal data was replaced before
    it was stored.
    """

    id: str
    owner_id: str
    conversation_id: str
    title: str
    created_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    messages: int
    chars: int
    views: int
    allow_copy: bool
    preview: bool
    masked: bool
    password_hash: str | None = field(repr=False)

    def ended(self, now: datetime) -> bool:
        """Whether its owner ended it or its time is over."""
        return self.ended_at is not None or (self.expires_at is not None and self.expires_at <= now)


@dataclass(frozen=True, slots=True)
class NewShare:
    """What `Store.create_share` stores. messages: in reading order."""

    id: str
    conversation_id: str
    title: str
    messages: tuple[SharedMessage, ...]
    expires_at: datetime | None = None
    allow_copy: bool = False
    preview: bool = False
    masked: bool = False
    password_hash: str | None = field(default=None, repr=False)
