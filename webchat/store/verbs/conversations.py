"""Verbs on conversations."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, literal, tuple_, update

from webchat.store.cursors import place, read_place
from webchat.store.database.codec import clean, dump_settings, now
from webchat.store.database.tables.conversations import ConversationRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import NotFound
from webchat.store.records import Conversation, ConversationSettings, ListedConversation, Page
from webchat.store.search.index import replace_title
from webchat.store.verbs.tree import listed_query, own_conversation


class ConversationVerbs(Database):
    """The operations of the sidebar."""

    @reads
    def conversation(self, connection: Connection, owner: str, conversation_id: str) -> Conversation:
        """Raises NotFound."""
        return own_conversation(connection, owner, conversation_id)

    @reads
    def list_conversations(
        self,
        connection: Connection,
        owner: str,
        *,
        cursor: str | None = None,
        limit: int = 40,
        archived: bool = False,
    ) -> Page[ListedConversation]:
        """Pinned ones first, then by last change, newest first. Raises BadCursor."""
        key = (ConversationRow.pinned, ConversationRow.updated_at, ConversationRow.id)
        query = listed_query().where(
            ConversationRow.owner_id == owner,
            ConversationRow.kind == "chat",
            ConversationRow.deleted_at.is_(None),
            ConversationRow.archived == literal(archived),
        )
        if cursor is not None:
            after = read_place(cursor)
            query = query.where(
                tuple_(*key) < tuple_(*(literal(v, c.type) for v, c in zip(after, key, strict=True)))
            )
        rows = connection.execute(query.order_by(*(column.desc() for column in key)).limit(limit + 1)).all()
        items = tuple(
            ListedConversation(**{**row._mapping, "running": bool(row.running)}) for row in rows[:limit]
        )
        return Page(items, _ended(items[-1]) if len(rows) > limit else None)

    @writes
    def update_conversation(
        self,
        connection: Connection,
        owner: str,
        conversation_id: str,
        *,
        title: str | None = None,
        title_by: Literal["auto", "model", "user"] | None = None,
        pinned: bool | None = None,
        archived: bool | None = None,
        settings: ConversationSettings | None = None,
    ) -> Conversation:
        """Change what is not `None`. A title the user gave is not overwritten by a model's. Raises
        NotFound."""
        before = own_conversation(connection, owner, conversation_id, lock=True)
        if title is not None and before.title_by == "user" and title_by in ("auto", "model"):
            title = None
        changes: dict[str, Any] = {
            "title": None if title is None else clean(title),
            "title_by": None if title is None else title_by or "user",
            "pinned": pinned,
            "archived": archived,
            "settings": None if settings is None else dump_settings(settings),
        }
        changes = {name: value for name, value in changes.items() if value is not None}
        if changes:
            connection.execute(
                update(ConversationRow).where(ConversationRow.id == conversation_id).values(changes)
            )
        if "title" in changes:
            replace_title(connection, conversation_id, changes["title"])
        return own_conversation(connection, owner, conversation_id)

    @writes
    def delete_conversation(self, connection: Connection, owner: str, conversation_id: str) -> None:
        """Move it to the trash, until `restore_conversation` or `purge`. Raises NotFound."""
        own_conversation(connection, owner, conversation_id, lock=True)
        connection.execute(
            update(ConversationRow).where(ConversationRow.id == conversation_id).values(deleted_at=now())
        )

    @writes
    def restore_conversation(self, connection: Connection, owner: str, conversation_id: str) -> Conversation:
        """Restore a deleted conversation. Raises NotFound, also for one that was not deleted or whose purge
        has begun."""
        found = own_conversation(connection, owner, conversation_id, deleted=True, lock=True)
        if found.deleted_at is not None and found.deleted_at < self.purging(connection):
            raise NotFound("conversation")
        connection.execute(
            update(ConversationRow).where(ConversationRow.id == conversation_id).values(deleted_at=None)
        )
        return own_conversation(connection, owner, conversation_id)


def _ended(last: ListedConversation) -> str:
    return place(last.updated_at, last.id, pinned=last.pinned)
