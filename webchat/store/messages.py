"""Verbs on messages: reading the tree, and changing it by hand."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from webchat.store.codec import clean, load_provenance, new_id, now
from webchat.store.database import Database, reads, writes
from webchat.store.errors import NotFound
from webchat.store.records import Conversation, Message, Page, PathMessage, Provenance
from webchat.store.search_index import add_entry
from webchat.store.tables import ConversationRow, FeedbackRow, MessageRow, TurnRow
from webchat.store.tree import (
    descendants,
    messages_by_id,
    newest_leaf,
    own_conversation,
    own_message,
    path_to,
    thread_to,
)


class MessageVerbs(Database):
    """What the transcript does."""

    @reads
    def thread(
        self,
        connection: Connection,
        owner: str,
        conversation_id: str,
        *,
        leaf: str | None = None,
        before: str | None = None,
        limit: int = 30,
    ) -> Page[Message]:
        """The end of the path to `leaf` (the active one, if `None`), at most `limit` messages in reading
        order.

        before: the oldest message already shown; the page ends above it. `next` is the `before` of older
        ones. The cost does not grow with the length of the conversation. Raises NotFound.
        """
        conversation = own_conversation(connection, owner, conversation_id)
        end = leaf or conversation.active_leaf_id
        if asked := before or leaf:
            row = own_message(connection, owner, asked)
            if row.conversation_id != conversation_id:
                raise NotFound("message")
            end = row.parent_id if before else row.id
        if end is None or limit < 1:
            return Page((), None)
        messages = thread_to(connection, end, limit)
        return Page(tuple(messages), messages[0].id if messages[0].parent_id else None)

    @reads
    def message(self, connection: Connection, owner: str, message_id: str) -> Message:
        """Raises NotFound."""
        own_message(connection, owner, message_id)
        return messages_by_id(connection, [message_id])[0]

    @reads
    def path(self, connection: Connection, owner: str, message_id: str) -> list[PathMessage]:
        """All messages from the root to this one, which no turn writes any more. Raises NotFound."""
        own_message(connection, owner, message_id)
        return path_to(connection, message_id)

    @reads
    def provenance(self, connection: Connection, owner: str, message_id: str) -> Provenance:
        """Where a reply comes from; empty for a message no model wrote. Raises NotFound."""
        own_message(connection, owner, message_id)
        return load_provenance(
            connection.execute(
                select(*TurnRow.__table__.columns).where(TurnRow.message_id == message_id)
            ).first()
        )

    @writes
    def activate(self, connection: Connection, owner: str, message_id: str) -> Conversation:
        """Show the branch of this message, down to its newest leaf. Raises NotFound."""
        row = own_message(connection, owner, message_id, lock=True)
        _set_leaf(connection, row.conversation_id, newest_leaf(connection, message_id))
        return own_conversation(connection, owner, row.conversation_id)

    @writes
    def edit_reply(self, connection: Connection, owner: str, message_id: str, text: str) -> Message:
        """A sibling of a reply, written by the owner; it becomes the active leaf. Raises NotFound."""
        row = own_message(connection, owner, message_id, lock=True)
        if row.role == "user":
            raise NotFound("reply")
        edited = new_id()
        connection.execute(
            insert(MessageRow).values(
                id=edited,
                conversation_id=row.conversation_id,
                parent_id=row.parent_id,
                under_id=row.under_id,
                role=row.role,
                author_id=owner,
                text=clean(text),
                created_at=now(),
            )
        )
        add_entry(connection, owner, row.conversation_id, edited, clean(text))
        _set_leaf(connection, row.conversation_id, edited)
        return messages_by_id(connection, [edited])[0]

    @writes
    def delete_messages(self, connection: Connection, owner: str, message_id: str) -> Conversation:
        """Put a message and everything below it aside. If that was shown, its newest remaining sibling is
        shown instead, or else its parent. Raises NotFound."""
        row = own_message(connection, owner, message_id, lock=True)
        below = descendants(message_id)
        connection.execute(
            update(MessageRow)
            .where(MessageRow.id.in_(select(below.c.id)), MessageRow.deleted_at.is_(None))
            .values(deleted_at=now())
        )
        conversation = own_conversation(connection, owner, row.conversation_id)
        shown = connection.scalar(
            select(MessageRow.id).where(
                MessageRow.id == conversation.active_leaf_id, MessageRow.deleted_at.is_(None)
            )
        )
        if shown is None:
            sibling = connection.scalar(
                select(MessageRow.id)
                .where(MessageRow.under_id == row.under_id, MessageRow.deleted_at.is_(None))
                .order_by(
                    (MessageRow.role == row.role).desc(), MessageRow.created_at.desc(), MessageRow.id.desc()
                )
                .limit(1)
            )
            _set_leaf(
                connection,
                row.conversation_id,
                newest_leaf(connection, sibling) if sibling else row.parent_id,
            )
        return own_conversation(connection, owner, row.conversation_id)

    @writes
    def restore_messages(self, connection: Connection, owner: str, message_id: str) -> Conversation:
        """Bring back what one `delete_messages` took, and show it. Raises NotFound, also when it was not
        deleted or when what it hangs under is deleted as well."""
        row = own_message(connection, owner, message_id, deleted=True, lock=True)
        if row.parent_id is not None:
            own_message(connection, owner, row.parent_id)
        below = descendants(message_id)
        connection.execute(
            update(MessageRow)
            .where(MessageRow.id.in_(select(below.c.id)), MessageRow.deleted_at == row.deleted_at)
            .values(deleted_at=None)
        )
        _set_leaf(connection, row.conversation_id, newest_leaf(connection, message_id))
        return own_conversation(connection, owner, row.conversation_id)

    @writes
    def rate(self, connection: Connection, owner: str, message_id: str, value: int) -> Message:
        """Rate a message: 1 good, -1 bad, 0 takes the rating back. Raises NotFound, ValueError."""
        if value not in (-1, 0, 1):
            raise ValueError("a rating is -1, 0 or 1")
        own_message(connection, owner, message_id, lock=True)
        connection.execute(
            delete(FeedbackRow).where(FeedbackRow.message_id == message_id, FeedbackRow.owner_id == owner)
        )
        if value:
            connection.execute(
                insert(FeedbackRow).values(
                    message_id=message_id, owner_id=owner, value=value, created_at=now()
                )
            )
        return messages_by_id(connection, [message_id])[0]


def _set_leaf(connection: Connection, conversation_id: str, leaf: str | None) -> None:
    connection.execute(
        update(ConversationRow).where(ConversationRow.id == conversation_id).values(active_leaf_id=leaf)
    )
