"""Verbs that return whole trees."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from webchat.store.database.codec import load_provenance
from webchat.store.database.tables.conversations import ConversationRow, MediaRow, MessageRow, TurnRow
from webchat.store.database.transactions import Database, heavy, reads
from webchat.store.database.until import Until
from webchat.store.records import Conversation, Message, Provenance
from webchat.store.verbs.tree import load_messages, messages_query, own_conversation


@dataclass(frozen=True, slots=True)
class NamedMedia:
    """A picture or sound of a message, without its data."""

    message_id: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class ExportedConversation:
    """A conversation with its whole tree: messages oldest first (parents before children), where each reply
    of a model comes from, by message id, and what pictures and sounds there are."""

    conversation: Conversation
    messages: tuple[Message, ...]
    provenance: dict[str, Provenance]
    media: tuple[NamedMedia, ...] = ()


class ExportVerbs(Database):
    """Export of everything."""

    @reads
    def conversation_ids(self, connection: Connection, owner: str) -> list[str]:
        """Ids of all chats of this owner, archived ones too, oldest first."""
        return list(
            connection.scalars(
                select(ConversationRow.id)
                .where(
                    ConversationRow.owner_id == owner,
                    ConversationRow.kind == "chat",
                    ConversationRow.deleted_at.is_(None),
                )
                .order_by(ConversationRow.created_at, ConversationRow.id)
            )
        )

    @heavy
    def export_conversation(
        self, connection: Connection, until: Until, owner: str, conversation_id: str
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
        media = connection.execute(
            select(
                MediaRow.message_id, MediaRow.name, MediaRow.media_type, func.sum(func.length(MediaRow.data))
            )
            .join(MessageRow, MessageRow.id == MediaRow.message_id)
            .where(MessageRow.conversation_id == conversation_id, MessageRow.deleted_at.is_(None))
            .group_by(MediaRow.message_id, MediaRow.name, MediaRow.media_type)
            .order_by(MediaRow.message_id, MediaRow.name)
        )
        return ExportedConversation(
            conversation,
            tuple(load_messages(connection, rows)),
            {row.message_id: load_provenance(row) for row in turns},
            tuple(NamedMedia(id, name, kind, int(size)) for id, name, kind, size in media),
        )
