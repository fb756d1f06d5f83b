"""Records of imports: conversations as other products' files have them, and the jobs that import files.

Readers (`webchat.imports`) make the first, whatever the product; the store writes them with ids of its own.
Times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from backends.types import Role, ToolCall
from webchat.store.records import ConversationSettings, Failure, Provenance, TemplateUse, TurnState

OURS = "webchat"
"""The product of our own exports: their ids may be those of conversations that are here."""

MEDIA_FOLDER = "media/"
"""Of the zip of an own export: the pictures and sounds, each under its name."""

Outcome = Literal["new", "extended", "unchanged", "deleted"]
"""What became of a conversation. `deleted`: its owner deleted an earlier import of it, and it stays
deleted."""

ImportState = Literal["uploading", "checking", "checked", "importing", "done", "cancelled", "failed"]

OnBad = Literal["skip", "refuse"]
"""What happens with a file that has entries that cannot be read: skip those, or import nothing."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something the person who imports should know: the code of a sentence (`webchat.imports.notes`) and what
    is filled in."""

    code: str
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportedTurn:
    """How a model's reply went, as far as the file says. details of the provenance: everything without a
    place of its own."""

    state: TurnState = "complete"
    finished_at: datetime | None = None
    finish_reason: str | None = None
    failure: Failure | None = None
    reasoning_seconds: float | None = None
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True, slots=True)
class ImportedMessage:
    """A message of a file. id, parent, continues: ids within the conversation, as the file has them.
    by_person: the importer wrote it, as far as anybody can know. seq: how many pieces it was written in, if
    known. tool_calls, tool_call_id: as in `backends.types.Message`."""

    id: str
    parent: str | None
    role: Role
    text: str
    at: datetime | None = None
    reasoning: str = ""
    model: str | None = None
    by_person: bool = False
    continues: str | None = None
    seq: int = 0
    template: TemplateUse | None = None
    rating: int = 0
    turn: ImportedTurn | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedMedia:
    """A picture or sound of a reply. message: its id in the file. size: in bytes. read: its data, while the
    file is open; `None` if it is not what its name says."""

    message: str
    name: str
    media_type: str
    size: int
    read: Callable[[], bytes | None]


@dataclass(frozen=True, slots=True)
class ImportedConversation:
    """A conversation of a file. source: its id there, or a digest of what identifies it. messages: a tree.
    leaf: id of the last message shown; `None` for the newest. details: everything without a place of its own,
    as JSON. problems: what could not be kept as it was."""

    product: str
    source: str
    title: str
    messages: tuple[ImportedMessage, ...]
    created_at: datetime | None = None
    updated_at: datetime | None = None
    leaf: str | None = None
    title_by: Literal["auto", "model", "user"] = "user"
    pinned: bool = False
    archived: bool = False
    settings: ConversationSettings = field(default_factory=ConversationSettings)
    details: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Note, ...] = ()
    media: tuple[ImportedMedia, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What the store did with a conversation. conversation_id: `None` if it is deleted. messages: how many
    were added."""

    outcome: Outcome
    conversation_id: str | None = None
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a conversation was imported from. details: what the file said beyond its messages."""

    product: str
    source: str
    at: datetime
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImportJob:
    """The import of one file; see `webchat.store.database.tables.sharing.ImportRow`."""

    id: str
    owner_id: str
    name: str
    size: int
    received: int
    state: ImportState
    on_bad: OnBad
    done: int
    entries: int | None
    counts: Mapping[str, int]
    problems: tuple[Mapping[str, Any], ...]
    first_id: str | None
    failure: str | None
    created_at: datetime
    changed_at: datetime
    tries: int | None
