"""What is searched."""

from __future__ import annotations

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id, Number, Word, partial


class SearchEntryRow(Base):
    """What the search index knows: one row per message, and one per conversation for its title (`message_id`
    NULL). Numbers grow with time, so newest first is number order; a reply gets its own once it is whole. The
    words stand in `search_words`, which each database keeps in its own way (see `search.index`).

    The words of a long text stand there in parts, which come in one by one. parts: how many have; 0 of a text
    whose words are one row. owed: the number, from 1, of the part to put in next; NULL when none is missing.
    """

    __tablename__ = "search_entries"
    __table_args__ = (
        partial("uq_search_entries_title", "conversation_id", unique=True, where="message_id IS NULL"),
        partial("ix_search_entries_owing", "number", where="owed IS NOT NULL"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    message_id: Mapped[str | None] = mapped_column(Id, ForeignKey("messages.id"), unique=True)
    parts: Mapped[int] = mapped_column(server_default="0")
    owed: Mapped[int | None]


class NameWordRow(Base):
    """What people and links are called, word by word (`search.names`)."""

    __tablename__ = "name_words"
    __table_args__ = (Index("ix_name_words_word", "kind", "word", "about_id"),)

    about_id: Mapped[str] = mapped_column(Id, primary_key=True)
    word: Mapped[str] = mapped_column(Word, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
