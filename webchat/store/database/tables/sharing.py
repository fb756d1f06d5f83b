"""What leaves by a share, and what an import brought."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id


class ShareRow(Base):
    """Read-only shares: `id` is the secret in their address. One whose messages are still being stored counts
    as ended."""

    __tablename__ = "shares"
    __table_args__ = (
        Index("ix_shares_listing", "owner_id", "created_at", "id"),
        Index("ix_shares_ended_at", "ended_at"),
        Index("ix_shares_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    title: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    password_hash: Mapped[str | None]
    messages: Mapped[int]
    chars: Mapped[int]
    views: Mapped[int] = mapped_column(server_default="0")
    allow_copy: Mapped[bool]
    preview: Mapped[bool]
    masked: Mapped[bool]


class ShareMessageRow(Base):
    """The messages of shares, as they were: nothing that happens to the originals changes them."""

    __tablename__ = "share_messages"

    share_id: Mapped[str] = mapped_column(Id, ForeignKey("shares.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str]
    reasoning: Mapped[str]
    model: Mapped[str | None]
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    tool_calls: Mapped[list[Any] | None]
    tool_call_id: Mapped[str | None]


class ShareMediaRow(Base):
    """The pictures and sounds that messages of shares name, in parts as in `media`."""

    __tablename__ = "share_media"

    share_id: Mapped[str] = mapped_column(Id, ForeignKey("shares.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    media_type: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ImportRow(Base):
    """Files that are imported, or were lately: how far each is, and what was found in it. size, received:
    bytes. done: entries of the file that are dealt with; entries: how many it has, once that is known.
    counts: what was found and done; problems: the first of them. first_id: the first conversation it
    brought. tries: how often the server began to read it and died before the end."""

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_owner_id", "owner_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    name: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    on_bad: Mapped[str] = mapped_column(String(8))
    done: Mapped[int]
    entries: Mapped[int | None]
    counts: Mapped[dict[str, Any]]
    problems: Mapped[list[Any]]
    first_id: Mapped[str | None] = mapped_column(Id)
    failure: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int | None]


class ImportSourceRow(Base):
    """What was imported, by the product's own ids; a row outlives its conversation, so that what was deleted
    is not imported again. details: what the file said of a conversation that has no place of its own."""

    __tablename__ = "import_sources"

    owner_id: Mapped[str] = mapped_column(Id, primary_key=True)
    product: Mapped[str] = mapped_column(String(24), primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id, index=True)
    at: Mapped[datetime]
    details: Mapped[dict[str, Any] | None]


class ImportMessageRow(Base):
    """The messages of imported conversations, by the product's own ids; a row outlives its message, not its
    conversation."""

    __tablename__ = "import_messages"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    conversation_id: Mapped[str] = mapped_column(Id, primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    message_id: Mapped[str] = mapped_column(Id)
