"""Conversations: their trees of messages, the replies being written, and what is kept beside them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id, partial


class ConversationRow(Base):
    """Conversations. `active_leaf_id` has no foreign key: messages point here already, and a circle of keys
    makes every create and purge a puzzle; the verbs keep it true. kind: see `ConversationKind`."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("owner_id", "client_key"),
        partial(
            "ix_conversations_listing",
            "owner_id",
            "kind",
            "archived",
            "pinned",
            "updated_at",
            "id",
            where="deleted_at IS NULL",
        ),
        partial("ix_conversations_deleted", "deleted_at", where="deleted_at IS NOT NULL"),
        partial("ix_conversations_trash", "owner_id", "deleted_at", "id", where="deleted_at IS NOT NULL"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    kind: Mapped[str] = mapped_column(String(8), server_default="chat")
    client_key: Mapped[str | None] = mapped_column(String(64))
    title: Mapped[str]
    title_by: Mapped[str] = mapped_column(String(8))
    pinned: Mapped[bool]
    archived: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    active_leaf_id: Mapped[str | None] = mapped_column(Id)
    settings: Mapped[dict[str, Any]]


class MessageRow(Base):
    """The nodes of the trees. `under_id` is the parent, or the conversation at the root: never NULL, so that
    one unique constraint and one index serve roots as well (NULLs are all different to a unique
    constraint). tool_calls: what the assistant called, each with id, name and arguments, the text in which
    the model wrote them; tool_call_id: of the call that a message of the role `tool` answers."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("under_id", "role", "client_key"),
        Index("ix_messages_siblings", "under_id", "role", "created_at", "id"),
        partial("ix_messages_deleted", "deleted_at", where="deleted_at IS NOT NULL"),
        partial("ix_messages_trash", "conversation_id", "deleted_at", where="deleted_at IS NOT NULL"),
        partial("ix_messages_author_id", "author_id", where="author_id IS NOT NULL"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    parent_id: Mapped[str | None] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    under_id: Mapped[str] = mapped_column(Id)
    role: Mapped[str] = mapped_column(String(16))
    client_key: Mapped[str | None] = mapped_column(String(64))
    author_id: Mapped[str | None] = mapped_column(Id, ForeignKey("owners.id"))
    text: Mapped[str]
    reasoning: Mapped[str] = mapped_column(server_default="")
    seq: Mapped[int] = mapped_column(server_default="0")
    model: Mapped[str | None]
    continues: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    template: Mapped[dict[str, Any] | None]
    tool_calls: Mapped[list[Any] | None]
    tool_call_id: Mapped[str | None]


class MediaRow(Base):
    """Pictures and sounds of replies, in parts: a whole one would hold the writer too long. `name` is made
    from the data, and the text of the message says where it belongs."""

    __tablename__ = "media"
    __table_args__ = (Index("ix_media_name", "name"),)

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    media_type: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)


class TurnRow(Base):
    """One per reply of a model: how it went and where it came from. It runs while `finished_at` is NULL.
    link_id: the link it was counted for; reserved: tokens, while it runs. key_id: the API key it was asked
    with. compared_in: the comparison that it is a side of, while that is open. replica_id: the lease under
    which it runs, where several processes serve the database; ending: how another one asked it to end.
    options: tools and formats that a program asked with. path_hash: of what a kept call was asked."""

    __tablename__ = "turns"
    __table_args__ = (
        partial("ix_turns_running", "conversation_id", where="finished_at IS NULL"),
        Index("ix_turns_conversation", "conversation_id"),
        Index("ix_turns_client_key", "client_key"),
        partial("ix_turns_link_running", "link_id", where="finished_at IS NULL AND link_id IS NOT NULL"),
        partial("ix_turns_path_hash", "path_hash", where="path_hash IS NOT NULL"),
        partial("ix_turns_compared_in", "compared_in", where="compared_in IS NOT NULL"),
    )

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"))
    client_key: Mapped[str] = mapped_column(String(64))
    asked: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    begun_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    failure: Mapped[dict[str, Any] | None]
    reasoning_seconds: Mapped[float | None]
    backend: Mapped[str | None]
    model: Mapped[str | None]
    model_id: Mapped[str | None]
    revision: Mapped[str | None]
    adapter: Mapped[str | None]
    template: Mapped[str | None]
    sampling: Mapped[dict[str, Any] | None]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    prompt: Mapped[list[Any] | None]
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    queued_seconds: Mapped[float | None]
    first_token_seconds: Mapped[float | None]
    total_seconds: Mapped[float | None]
    details: Mapped[dict[str, Any] | None]
    options: Mapped[dict[str, Any] | None]
    path_hash: Mapped[str | None] = mapped_column(String(64))
    link_id: Mapped[str | None] = mapped_column(Id)
    reserved: Mapped[int | None]
    key_id: Mapped[str | None] = mapped_column(Id)
    compared_in: Mapped[str | None] = mapped_column(Id)
    replica_id: Mapped[str | None] = mapped_column(Id)
    ending: Mapped[str | None] = mapped_column(String(16))


class ReplicaRow(Base):
    """Leases of the processes that serve this database together. One whose row is gone, or over, writes
    nothing more. Times are of the database's clock. about: what all of them must have in common.
    purges_before: what was deleted before is being purged by it."""

    __tablename__ = "replicas"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    about: Mapped[str] = mapped_column(String(64), server_default="")
    taken_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    purges_before: Mapped[datetime | None]


class JournalRow(Base):
    """Pieces of running replies, appended and never rewritten; gone once folded into their message."""

    __tablename__ = "journal"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("turns.message_id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str]


class InspectionRow(Base):
    """What a model was sent for a reply, compressed. `base_id` names an earlier reply of the same path whose
    content this one goes on from."""

    __tablename__ = "inspections"

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("turns.message_id"), primary_key=True)
    base_id: Mapped[str | None] = mapped_column(Id)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class PlaceholderRow(Base):
    """Placeholders for a person's data, per conversation; `value` is encrypted."""

    __tablename__ = "placeholders"

    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), primary_key=True)
    placeholder: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
