"""Continuing a share as a chat of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, literal, select, update

from webchat.store.database.codec import clean, dump_calls, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, MediaRow, MessageRow
from webchat.store.database.tables.sharing import ShareMediaRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.records import Conversation
from webchat.store.search.index import add_entry
from webchat.store.share_records import SharedMessage
from webchat.store.shares.verbs import message_slices
from webchat.store.verbs.tree import add_copy, own_conversation


class ShareCopyVerbs(Database):
    """Copying what a share shows into a conversation."""

    @long
    def copy_share(
        self, owner: str, share_id: str, title: str, messages: Sequence[SharedMessage]
    ) -> Conversation:
        """A new conversation of this owner with these messages, one below the other, and the share's media.
        Until all is stored it counts as discarded. Raises NotFound if it was purged meanwhile."""
        conversation_id = self.in_turn(self._add_copy, owner, title)
        ids: list[str] = []
        for some in message_slices(messages):
            above = ids[-1] if ids else None
            ids += self.in_turn(self._add_copied, owner, conversation_id, above, some)
        for name, part in self._parts_of(share_id):
            holder = next((id for id, one in zip(ids, messages, strict=True) if name in one.text), None)
            if holder is not None:
                self.in_turn(self._copy_media, share_id, holder, name, part)
        return self.in_turn(self._show_copy, owner, conversation_id, title, ids[-1] if ids else None)

    @writes
    def _add_copy(self, connection: Connection, owner: str, title: str) -> str:
        return add_copy(connection, owner, kind="chat", title=clean(title), title_by="user")

    @writes
    def _add_copied(
        self,
        connection: Connection,
        owner: str,
        conversation_id: str,
        above: str | None,
        messages: Sequence[SharedMessage],
    ) -> list[str]:
        ids = []
        for message in messages:
            id = new_id()
            values = {
                "id": id,
                "conversation_id": conversation_id,
                "parent_id": above,
                "under_id": above or conversation_id,
                "role": message.role,
                "author_id": owner if message.role == "user" else None,
                "text": clean(message.text),
                "reasoning": clean(message.reasoning),
                "model": message.model,
                "tool_calls": dump_calls(message.tool_calls),
                "tool_call_id": message.tool_call_id,
                "created_at": now(),
            }
            connection.execute(insert(MessageRow).values(values))
            add_entry(connection, owner, conversation_id, id, clean(message.text))
            above = id
            ids.append(id)
        return ids

    @reads
    def _parts_of(self, connection: Connection, share_id: str) -> list[tuple[str, int]]:
        query = select(ShareMediaRow.name, ShareMediaRow.part).where(ShareMediaRow.share_id == share_id)
        return [(name, part) for name, part in connection.execute(query)]

    @writes
    def _copy_media(
        self, connection: Connection, share_id: str, message_id: str, name: str, part: int
    ) -> None:
        row = ShareMediaRow
        source = select(literal(message_id), row.name, row.part, row.media_type, row.data)
        columns = ["message_id", "name", "part", "media_type", "data"]
        those = (row.share_id == share_id, row.name == name, row.part == part)
        connection.execute(insert(MediaRow).from_select(columns, source.where(*those)))

    @writes
    def _show_copy(
        self, connection: Connection, owner: str, conversation_id: str, title: str, leaf: str | None
    ) -> Conversation:
        those = update(ConversationRow).where(ConversationRow.id == conversation_id)
        connection.execute(those.values(deleted_at=None, active_leaf_id=leaf, updated_at=now()))
        add_entry(connection, owner, conversation_id, None, clean(title))
        return own_conversation(connection, owner, conversation_id)
