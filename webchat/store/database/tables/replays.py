"""Replies that other models are asked to give again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id, partial


class ReplaySetRow(Base):
    """Replies that other models are asked to give again. chosen: how they were found, as it was asked."""

    __tablename__ = "replay_sets"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    chosen: Mapped[dict[str, Any]]
    assertions: Mapped[list[Any]]
    created_at: Mapped[datetime]


class ReplayItemRow(Base):
    """The replies of a set, numbered from 1. They go with their message."""

    __tablename__ = "replay_items"

    set_id: Mapped[str] = mapped_column(Id, ForeignKey("replay_sets.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)


class ReplayRunRow(Base):
    """A set on one model with one choice of settings. variant: see `ReplayVariant`; name: it has in the set,
    and in results. judges: see `ReplayRun`; such a run is named for the program."""

    __tablename__ = "replay_runs"
    __table_args__ = (
        UniqueConstraint("set_id", "name"),
        partial("ix_replay_runs_open", "created_at", where="state = 'open'"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    set_id: Mapped[str] = mapped_column(Id, ForeignKey("replay_sets.id"))
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    name: Mapped[str]
    variant: Mapped[dict[str, Any]]
    judges: Mapped[str | None] = mapped_column(Id)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]


class ReplayReplyRow(Base):
    """What became of an item in a run: the conversation that its path was copied to, and the reply there. Its
    state is that of the reply's turn; failure: why none could be begun. Items without a row are not begun."""

    __tablename__ = "replay_replies"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("replay_runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    asked_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    reply_id: Mapped[str | None] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    attempts: Mapped[int] = mapped_column(server_default="0")
    failure: Mapped[dict[str, Any] | None]
