"""Verbs that hand out whole trees, and the purge that ends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, or_, select

from webchat.store.codec import load_provenance
from webchat.store.database import Database, reads, writes
from webchat.store.decisions import forget_content
from webchat.store.records import Conversation, Message, Provenance
from webchat.store.search_index import remove_words, scrub
from webchat.store.tables import (
    ConversationRow,
    FeedbackRow,
    InspectionRow,
    JournalRow,
    MessageRow,
    PlaceholderRow,
    SearchEntryRow,
    TurnRow,
)
from webchat.store.templates import purge_templates
from webchat.store.tree import load_messages, messages_query, own_conversation


@dataclass(frozen=True, slots=True)
class ExportedConversation:
    """A conversation with its whole tree: messages oldest first (parents before children), and where each
    reply of a model comes from, by message id."""

    conversation: Conversation
    messages: tuple[Message, ...]
    provenance: dict[str, Provenance]


class ExportVerbs(Database):
    """Taking everything out, and taking everything away."""

    @reads
    def conversation_ids(self, connection: Connection, owner: str) -> list[str]:
        """Ids of all conversations of this owner, archived ones too, oldest first."""
        return list(
            connection.scalars(
                select(ConversationRow.id)
                .where(ConversationRow.owner_id == owner, ConversationRow.deleted_at.is_(None))
                .order_by(ConversationRow.created_at, ConversationRow.id)
            )
        )

    @reads
    def export_conversation(
        self, connection: Connection, owner: str, conversation_id: str
    ) -> ExportedConversation:
        """One conversation, whole. Raises NotFound."""
        conversation = own_conversation(connection, owner, conversation_id)
        rows = connection.execute(
            messages_query()
            .where(MessageRow.conversation_id == conversation_id, MessageRow.deleted_at.is_(None))
            .order_by(MessageRow.created_at, MessageRow.id)
        ).all()
        turns = connection.execute(
            select(*TurnRow.__table__.columns)
            .join(MessageRow, MessageRow.id == TurnRow.message_id)
            .where(TurnRow.conversation_id == conversation_id, MessageRow.deleted_at.is_(None))
        )
        return ExportedConversation(
            conversation,
            tuple(load_messages(connection, rows)),
            {row.message_id: load_provenance(row) for row in turns},
        )

    def export_conversations(
        self, owner: str, ids: Sequence[str] | None = None
    ) -> Iterator[ExportedConversation]:
        """These conversations, or all, one transaction each, so that the whole is never in memory.

        Reads while it is iterated: do that in a thread, or `call` `conversation_ids` and
        `export_conversation`. Raises NotFound at the conversation that is not this owner's.
        """
        for id in self.conversation_ids(owner) if ids is None else ids:
            yield self.export_conversation(owner, id)

    def purge(self, before: datetime) -> int:
        """End for good what was deleted before this moment. Returns how many conversations, messages and
        templates went.

        On SQLite no trace of their text stays in the database file or its log.
        """
        count = self._purge(before)
        if count:
            self.dialect.scrub_log(self._engines[True])
        return count

    purge.writes = True  # type: ignore[attr-defined]

    @writes
    def _purge(self, connection: Connection, before: datetime) -> int:
        conversations = select(ConversationRow.id).where(ConversationRow.deleted_at < before)
        messages = select(MessageRow.id).where(
            or_(MessageRow.deleted_at < before, MessageRow.conversation_id.in_(conversations))
        )
        entries = or_(
            SearchEntryRow.message_id.in_(messages), SearchEntryRow.conversation_id.in_(conversations)
        )
        numbers = select(SearchEntryRow.number).where(entries)
        remove_words(connection, list(connection.scalars(numbers)))
        connection.execute(delete(SearchEntryRow).where(entries))
        for table in (JournalRow, FeedbackRow, InspectionRow, TurnRow):
            connection.execute(delete(table).where(table.message_id.in_(messages)))
        forget_content(connection, conversations, messages)
        # In one statement: parents and children go together.
        gone = connection.execute(delete(MessageRow).where(MessageRow.id.in_(messages))).rowcount
        connection.execute(delete(PlaceholderRow).where(PlaceholderRow.conversation_id.in_(conversations)))
        gone += connection.execute(
            delete(ConversationRow).where(ConversationRow.deleted_at < before)
        ).rowcount
        gone += purge_templates(connection, before)
        if gone:
            scrub(connection)
        return gone
