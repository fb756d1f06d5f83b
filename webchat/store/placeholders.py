"""Verbs on what stands for personal data on the way to a model; what is kept of the data is encrypted."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from webchat.store.codec import now
from webchat.store.database import Database, reads, writes
from webchat.store.tables import PlaceholderRow
from webchat.store.tree import own_conversation


class PlaceholderVerbs(Database):
    """The placeholders of conversations, with their values as somebody else encrypted them."""

    @reads
    def placeholders(self, connection: Connection, owner: str, conversation_id: str) -> dict[str, bytes]:
        """Those of a conversation, by name. Raises NotFound."""
        own_conversation(connection, owner, conversation_id)
        rows = connection.execute(
            select(PlaceholderRow.placeholder, PlaceholderRow.value).where(
                PlaceholderRow.conversation_id == conversation_id
            )
        )
        return {row.placeholder: row.value for row in rows}

    @writes
    def keep_placeholders(
        self,
        connection: Connection,
        owner: str,
        conversation_id: str,
        values: Mapping[str, bytes],
        anew: bool = False,
    ) -> None:
        """Keep more of a conversation; a name that is kept already gets the new value. anew: and forget all
        there were. Raises NotFound."""
        own_conversation(connection, owner, conversation_id)
        old = delete(PlaceholderRow).where(PlaceholderRow.conversation_id == conversation_id)
        connection.execute(old if anew else old.where(PlaceholderRow.placeholder.in_(list(values))))
        if values:
            at = now()
            rows = [
                {"conversation_id": conversation_id, "placeholder": name, "value": value, "created_at": at}
                for name, value in values.items()
            ]
            connection.execute(insert(PlaceholderRow), rows)
