"""Verbs on deleted data: listing it, and deleting it permanently before its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, literal, null, or_, select, tuple_, update
from sqlalchemy.orm import aliased

from webchat.store.cursors import place, read_place
from webchat.store.database.codec import now
from webchat.store.database.tables.base import DISCARDED, FLEETING
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.records import Deletion, Page, TrashItem
from webchat.store.verbs.tree import MARKED_ROWS, chunks, descendants, own_conversation, own_message

EXCERPT_CHARS = 200

PURGE_DISCARDED = DISCARDED + timedelta(seconds=1)
"""`Store.purge` before this moment ends what was discarded and nothing else."""


class TrashVerbs(Database):
    """The operations of *Recently deleted*. Discarding only marks: `purge` deletes later."""

    @reads
    def list_trash(
        self, connection: Connection, owner: str, *, cursor: str | None = None, limit: int = 40
    ) -> Page[TrashItem]:
        """What this owner can restore, last deleted first: whole conversations, and messages deleted from
        conversations that remain. Raises BadCursor."""
        after = None if cursor is None else read_place(cursor)[1:]
        beyond = max(FLEETING, self.purged_before)
        # Each half is read no further than the page, so that the page costs the same in a full trash.
        rows = [
            row
            for query, deleted_at, id in (_conversations(owner, beyond), _messages(owner, beyond))
            for row in connection.execute(_page(query, deleted_at, id, after, limit + 1))
        ]
        rows.sort(key=lambda row: (row.deleted_at, row.id), reverse=True)
        items = tuple(TrashItem(**row._mapping) for row in rows[:limit])
        return Page(items, place(items[-1].deleted_at, items[-1].id) if len(rows) > limit else None)

    @writes
    def discard_conversation(self, connection: Connection, owner: str, conversation_id: str) -> bool:
        """Permanently delete a conversation in the trash. Returns whether a turn still runs in it. Raises
        NotFound, also for one that was not deleted."""
        conversation = own_conversation(connection, owner, conversation_id, deleted=True, lock=True)
        connection.execute(
            update(ConversationRow).where(ConversationRow.id == conversation_id).values(deleted_at=DISCARDED)
        )
        return conversation.running

    @long
    def discard_messages(self, owner: str, message_id: str) -> bool:
        """Permanently delete a message in the trash and everything below it. Returns whether a turn still
        runs there. Raises NotFound, also for one that was not deleted."""
        below, runs = self._below(owner, message_id)
        # Once the message is given up, nothing below it can be reached; what is left waits for its time.
        self.in_turn(self._discard_top, owner, message_id)
        for ids in chunks(below, MARKED_ROWS):
            self.in_turn(self._discard, MessageRow, ids)
        return runs

    @reads
    def _below(self, connection: Connection, owner: str, message_id: str) -> tuple[list[str], bool]:
        own_message(connection, owner, message_id, deleted=True)
        below = select(descendants(message_id).c.id)
        return list(connection.scalars(below)), _runs(connection, TurnRow.message_id.in_(below))

    @writes
    def _discard_top(self, connection: Connection, owner: str, message_id: str) -> None:
        own_message(connection, owner, message_id, deleted=True, lock=True)
        those = MessageRow.id == message_id
        connection.execute(update(MessageRow).where(those).values(deleted_at=DISCARDED))

    @writes
    def _discard(self, connection: Connection, table: Any, ids: Sequence[str]) -> None:
        those = update(table).where(table.id.in_(ids), table.deleted_at.is_not(None))
        connection.execute(those.values(deleted_at=DISCARDED))

    @long
    def discard_all(self, owner: str) -> bool:
        """Permanently delete everything in this owner's trash. Returns whether a turn still runs in any of
        it."""
        conversations, messages, runs = self._deleted(owner)
        for table, all_ids in ((ConversationRow, conversations), (MessageRow, messages)):
            for ids in chunks(all_ids, MARKED_ROWS):
                self.in_turn(self._discard, table, ids)
        return runs

    @long
    def delete_conversations(self, owner: str, *, for_good: bool = False) -> Deletion:
        """Move all of this owner's chats, archived ones too, to the trash or, `for_good`, permanently delete
        all their conversations of any kind and everything in the trash. One that begins meanwhile stays."""
        before, count, running = now(), 0, False
        while ids := self._living(owner, before, for_good):
            gone, runs = self.in_turn(self._delete, owner, ids, for_good)
            count, running = count + gone, running or runs
        if for_good:
            running |= self.discard_all(owner)
        return Deletion(count, running)

    @reads
    def _living(self, connection: Connection, owner: str, before: datetime, any_kind: bool) -> list[str]:
        living = (ConversationRow.deleted_at.is_(None), ConversationRow.created_at <= before)
        query = select(ConversationRow.id).where(ConversationRow.owner_id == owner, *living)
        if not any_kind:
            query = query.where(ConversationRow.kind == "chat")
        return list(connection.scalars(query.limit(MARKED_ROWS)))

    @writes
    def _delete(
        self, connection: Connection, owner: str, ids: Sequence[str], for_good: bool
    ) -> tuple[int, bool]:
        those = (ConversationRow.id.in_(ids), ConversationRow.owner_id == owner)
        marked = update(ConversationRow).where(*those, ConversationRow.deleted_at.is_(None))
        gone = connection.execute(marked.values(deleted_at=DISCARDED if for_good else now())).rowcount
        return gone, _runs(connection, TurnRow.conversation_id.in_(ids))

    @reads
    def _deleted(self, connection: Connection, owner: str) -> tuple[list[str], list[str], bool]:
        own = select(ConversationRow.id).where(ConversationRow.owner_id == owner)
        messages = select(MessageRow.id).where(
            MessageRow.conversation_id.in_(own.where(ConversationRow.deleted_at.is_(None))),
            MessageRow.deleted_at.is_not(None),
        )
        conversations = own.where(ConversationRow.deleted_at.is_not(None))
        runs = _runs(
            connection,
            or_(TurnRow.message_id.in_(messages), TurnRow.conversation_id.in_(conversations)),
        )
        return list(connection.scalars(conversations)), list(connection.scalars(messages)), runs


_Half = tuple[Any, Any, Any]
"""A query of trash items, and the columns of its time and its id."""


def _runs(connection: Connection, where: Any) -> bool:
    query = select(TurnRow.message_id).where(TurnRow.finished_at.is_(None), where).limit(1)
    return connection.scalar(query) is not None


def _conversations(owner: str, beyond: datetime) -> _Half:
    row = ConversationRow
    query = select(
        literal("conversation").label("kind"),
        row.id.label("id"),
        row.id.label("conversation_id"),
        row.title.label("title"),
        row.deleted_at.label("deleted_at"),
        null().label("role"),
        literal("").label("excerpt"),
        literal(0).label("count"),
    ).where(row.owner_id == owner, row.kind == "chat", row.deleted_at > beyond)
    return query, row.deleted_at, row.id


def _messages(owner: str, beyond: datetime) -> _Half:
    """The message each deletion began with. What hangs under another deleted message comes back with that
    one, or is listed once that one is back."""
    row, parent, together = MessageRow, aliased(MessageRow), aliased(MessageRow)
    count = (
        select(func.count())
        .where(together.conversation_id == row.conversation_id, together.deleted_at == row.deleted_at)
        .scalar_subquery()
    )
    query = (
        select(
            literal("messages").label("kind"),
            row.id.label("id"),
            row.conversation_id.label("conversation_id"),
            ConversationRow.title.label("title"),
            row.deleted_at.label("deleted_at"),
            row.role.label("role"),
            func.substr(row.text, 1, EXCERPT_CHARS).label("excerpt"),
            count.label("count"),
        )
        .join(ConversationRow, ConversationRow.id == row.conversation_id)
        .outerjoin(parent, parent.id == row.parent_id)
        .where(
            ConversationRow.owner_id == owner,
            ConversationRow.deleted_at.is_(None),
            row.deleted_at > beyond,
            parent.deleted_at.is_(None),
        )
    )
    return query, row.deleted_at, row.id


def _page(
    query: Select[Any], deleted_at: Any, id: Any, after: tuple[datetime, str] | None, limit: int
) -> Select[Any]:
    if after is not None:
        moment, last = after
        query = query.where(
            tuple_(deleted_at, id) < tuple_(literal(moment, deleted_at.type), literal(last, id.type))
        )
    return query.order_by(deleted_at.desc(), id.desc()).limit(limit)
