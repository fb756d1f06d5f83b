"""Verbs on messages: reading the tree, and editing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from webchat.store.database.codec import clean, load_provenance, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.errors import NotFound
from webchat.store.records import Conversation, Message, Page, PathMessage, Provenance
from webchat.store.search.index import add_entry
from webchat.store.verbs.compared import close_comparison, compared_in
from webchat.store.verbs.tree import (
    MARKED_ROWS,
    check_versions,
    chunks,
    descendants,
    messages_by_id,
    newest_leaf,
    newest_of,
    own_conversation,
    own_message,
    path_to,
    thread_to,
)

PAGE_CHARS = 1_000_000
"""Of a page of messages, however many it may have."""

_MARK = (
    update(MessageRow)
    .where(
        MessageRow.id.in_(bindparam("ids", expanding=True)),
        MessageRow.deleted_at.is_not_distinct_from(bindparam("was")),
    )
    .values(deleted_at=bindparam("becomes"))
)

_TOOLS = "tools"
_ASKED_WITH = (
    select(TurnRow.options)
    .where(TurnRow.conversation_id == bindparam("conversation"), TurnRow.options.is_not(None))
    .limit(100)
)


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a deletion takes below the deleted message, what is shown now, and what is shown after it."""

    below: Sequence[str]
    shown: str | None
    leaf: str | None


class MessageVerbs(Database):
    """The operations of the transcript."""

    @reads
    def thread(
        self,
        connection: Connection,
        owner: str,
        conversation_id: str,
        *,
        before: str | None = None,
        limit: int = 30,
    ) -> Page[Message]:
        """The end of the path to the active leaf, at most `limit` messages in reading order, and no more of
        them than `PAGE_CHARS`.

        before: the oldest message already shown; the page ends above it. `next` is the `before` of older
        ones. The cost does not grow with the length of the conversation. Raises NotFound.
        """
        return thread_of(connection, owner, conversation_id, before, limit)

    @reads
    def message(self, connection: Connection, owner: str, message_id: str) -> Message:
        """Raises NotFound."""
        own_message(connection, owner, message_id)
        return messages_by_id(connection, [message_id])[0]

    @reads
    def path(self, connection: Connection, owner: str, message_id: str) -> list[PathMessage]:
        """The messages from the root to this one, which no turn writes any more, or the last `PATH_CHARS` of
        them. Raises NotFound."""
        own_message(connection, owner, message_id)
        return path_to(connection, message_id)

    @reads
    def provenance(self, connection: Connection, owner: str, message_id: str) -> Provenance:
        """The origin of a reply; empty for a message not written by a model. A reply without the tools that
        a program offered in its conversation says so: the page offers none. Raises NotFound."""
        row = own_message(connection, owner, message_id)
        found = load_provenance(
            connection.execute(
                select(*TurnRow.__table__.columns).where(TurnRow.message_id == message_id)
            ).first()
        )
        if found.model is None or _TOOLS in (found.options or {}):
            return found
        asked = connection.scalars(_ASKED_WITH, {"conversation": row.conversation_id})
        if not any(_TOOLS in options for options in asked):
            return found
        without = [*found.details.get("without", ()), _TOOLS]
        return replace(found, details={**found.details, "without": without})

    @long
    def activate(self, owner: str, message_id: str) -> Conversation:
        """Show the branch of this message, down to its newest leaf. Raises NotFound."""
        while True:
            shown, leaf = self._branch(owner, message_id)
            if done := self.in_turn(self._show, owner, message_id, shown, leaf):
                return done

    @reads
    def _branch(self, connection: Connection, owner: str, message_id: str) -> tuple[str | None, str]:
        """What the message's conversation currently shows, and the newest leaf below the message."""
        row = own_message(connection, owner, message_id)
        shown = own_conversation(connection, owner, row.conversation_id).active_leaf_id
        return shown, newest_leaf(connection, message_id)

    @writes
    def _show(
        self, connection: Connection, owner: str, message_id: str, shown: str | None, leaf: str
    ) -> Conversation | None:
        """Show a leaf, unless something other than `shown` is shown by now: then the tree has grown."""
        row = own_message(connection, owner, message_id, lock=True)
        if own_conversation(connection, owner, row.conversation_id).active_leaf_id != shown:
            return None
        _set_leaf(connection, row.conversation_id, leaf)
        return own_conversation(connection, owner, row.conversation_id)

    @writes
    def edit_reply(self, connection: Connection, owner: str, message_id: str, text: str) -> Message:
        """A sibling of a reply, written by the owner; it becomes the active leaf. Raises NotFound,
        TooManyVersions."""
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
                tool_calls=row.tool_calls,
                tool_call_id=row.tool_call_id,
                created_at=now(),
            )
        )
        check_versions(connection, row.under_id, row.role)
        add_entry(connection, owner, row.conversation_id, edited, clean(text))
        _set_leaf(connection, row.conversation_id, edited)
        return messages_by_id(connection, [edited])[0]

    @long
    def delete_messages(self, owner: str, message_id: str) -> Conversation:
        """Move a message and everything below it to the trash. If it was shown, its newest remaining sibling
        is shown instead, or else its parent. Raises NotFound.

        The message is deleted at once, everything below it in slices: if they are interrupted, the next purge
        continues.
        """
        moment = now()
        while True:
            cut = self._cut(owner, message_id)
            if done := self.in_turn(self._take_away, owner, message_id, cut, moment):
                break
        for ids in chunks(cut.below, MARKED_ROWS):
            self.in_turn(self._mark, ids, None, moment)
        return done

    @reads
    def _cut(self, connection: Connection, owner: str, message_id: str) -> _Cut:
        row = own_message(connection, owner, message_id)
        shown = own_conversation(connection, owner, row.conversation_id).active_leaf_id
        walk = descendants(message_id)
        below = [id for id in connection.scalars(select(walk.c.id)) if id != message_id]
        leaf = shown
        if shown is None or shown == message_id or shown in set(below):
            sibling = connection.scalar(
                select(MessageRow.id)
                .where(
                    MessageRow.under_id == row.under_id,
                    MessageRow.id != message_id,
                    MessageRow.deleted_at.is_(None),
                )
                .order_by(
                    (MessageRow.role == row.role).desc(), MessageRow.created_at.desc(), MessageRow.id.desc()
                )
                .limit(1)
            )
            leaf = newest_leaf(connection, sibling) if sibling else row.parent_id
        return _Cut(below, shown, leaf)

    @writes
    def _take_away(
        self, connection: Connection, owner: str, message_id: str, cut: _Cut, moment: datetime
    ) -> Conversation | None:
        """Delete one message, unless something else is shown by now: then the tree has grown."""
        row = own_message(connection, owner, message_id, lock=True)
        if own_conversation(connection, owner, row.conversation_id).active_leaf_id != cut.shown:
            return None
        connection.execute(_MARK, {"ids": [message_id], "was": None, "becomes": moment})
        if (comparison := compared_in(connection, message_id)) is not None:
            close_comparison(connection, comparison)  # there is nothing left to compare
        _set_leaf(connection, row.conversation_id, cut.leaf)
        return own_conversation(connection, owner, row.conversation_id)

    @writes
    def _mark(
        self, connection: Connection, ids: Sequence[str], was: datetime | None, becomes: datetime | None
    ) -> None:
        """Change the deletion time of messages for which it is `was`."""
        connection.execute(_MARK, {"ids": ids, "was": was, "becomes": becomes})

    @long
    def restore_messages(self, owner: str, message_id: str) -> Conversation:
        """Restore the messages of one `delete_messages`, and show them. Raises NotFound, also if it was not
        deleted, its parent is deleted too, or its purge has begun.

        The message itself is restored last: if this is interrupted, all of it still counts as deleted for the
        next purge.
        """
        below, moment = self._fallen(owner, message_id)
        for ids in chunks(below[::-1], MARKED_ROWS):
            self.in_turn(self._mark, ids, moment, None)
        leaf = self._newest_below(message_id)
        return self.in_turn(self._bring_back, owner, message_id, leaf)

    @reads
    def _fallen(self, connection: Connection, owner: str, message_id: str) -> tuple[list[str], datetime]:
        """What was deleted together with a message below it, and when."""
        row = self._deleted_top(connection, owner, message_id, lock=False)
        walk = descendants(message_id)
        query = select(MessageRow.id).join(walk, walk.c.id == MessageRow.id)
        together = connection.scalars(query.where(MessageRow.deleted_at == row.deleted_at))
        return [id for id in together if id != message_id], row.deleted_at

    def _deleted_top(self, connection: Connection, owner: str, message_id: str, *, lock: bool) -> Row[Any]:
        row = own_message(connection, owner, message_id, deleted=True, lock=lock)
        purged = self.purging(connection) if lock else self.purged_before
        if row.deleted_at < purged:
            raise NotFound("message")
        if row.under_id != row.conversation_id:
            own_message(connection, owner, row.under_id)
        return row

    @reads
    def _newest_below(self, connection: Connection, message_id: str) -> str:
        return newest_leaf(connection, message_id)

    @writes
    def _bring_back(self, connection: Connection, owner: str, message_id: str, leaf: str) -> Conversation:
        row = self._deleted_top(connection, owner, message_id, lock=True)
        connection.execute(_MARK, {"ids": [message_id], "was": row.deleted_at, "becomes": None})
        _set_leaf(connection, row.conversation_id, leaf)
        return own_conversation(connection, owner, row.conversation_id)


def thread_of(
    connection: Connection, owner: str, conversation_id: str, before: str | None, limit: int
) -> Page[Message]:
    """See `MessageVerbs.thread`."""
    conversation = own_conversation(connection, owner, conversation_id)
    end = conversation.active_leaf_id
    if before:
        row = own_message(connection, owner, before)
        if row.conversation_id != conversation_id:
            raise NotFound("message")
        end = row.parent_id
    if end is None or limit < 1:
        return Page((), None)
    messages = newest_of(thread_to(connection, end, limit), PAGE_CHARS)
    return Page(tuple(messages), messages[0].id if messages[0].parent_id else None)


def _set_leaf(connection: Connection, conversation_id: str, leaf: str | None) -> None:
    connection.execute(
        update(ConversationRow).where(ConversationRow.id == conversation_id).values(active_leaf_id=leaf)
    )
