"""Tester links, what their people answered, and who looked at what they wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id, Number


class LinkRow(Base):
    """Tester links; of the token only its hash."""

    __tablename__ = "links"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    token_hash: Mapped[str] = mapped_column(String(128), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    uses: Mapped[int] = mapped_column(server_default="0")
    paused_at: Mapped[datetime | None]
    terms: Mapped[dict[str, Any] | None]
    conversations: Mapped[int] = mapped_column(server_default="0")
    messages: Mapped[int] = mapped_column(server_default="0")
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class ConsentRow(Base):
    """Which version of a link's consent sentence its people accepted, with the sentence."""

    __tablename__ = "consents"

    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]
    at: Mapped[datetime]


class AnswerRow(Base):
    """Answers to a link's own questions, each with the question as it was."""

    __tablename__ = "answers"

    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    question_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    question: Mapped[dict[str, Any]]
    number: Mapped[int | None]
    text: Mapped[str | None]
    at: Mapped[datetime]


class HandoverRow(Base):
    """Codes by which a guest continues on another device; of each only its hash."""

    __tablename__ = "handovers"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class TesterNoteRow(Base):
    """What operators wrote about testers' conversations. `tags_text`: each tag on a line of its own, with a
    line break before the first and behind the last."""

    __tablename__ = "tester_notes"

    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), primary_key=True)
    note: Mapped[str]
    tags_text: Mapped[str]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(Id)


class LookRow(Base):
    """Who looked at what testers wrote. Appended, never changed. Ids without foreign keys: the log outlives
    what it refers to."""

    __tablename__ = "looks"
    __table_args__ = (
        Index("ix_looks_operator_id", "operator_id", "action", "at"),
        Index("ix_looks_link_id", "link_id", "number"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    at: Mapped[datetime]
    operator_id: Mapped[str] = mapped_column(Id)
    operator: Mapped[str]
    action: Mapped[str] = mapped_column(String(8))
    link_id: Mapped[str] = mapped_column(Id)
    conversation_id: Mapped[str | None] = mapped_column(Id)
    searched: Mapped[str | None]
