"""Verbs on placeholders for personal data; their stored values are encrypted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select

from webchat.store.database.codec import now
from webchat.store.database.tables.conversations import PlaceholderRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.verbs.tree import chunks, own_conversation

SLICE_ROWS = 250


class PlaceholderVerbs(Database):
    """The placeholders of conversations, with values encrypted by the caller."""

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

    @long
    def keep_placeholders(
        self, owner: str, conversation_id: str, values: Mapping[str, bytes], anew: bool = False
    ) -> None:
        """Store more placeholders of a conversation; an existing name gets the new value. anew: delete all
        existing ones first. Raises NotFound.

        In slices: if it is interrupted, those of the first slices are stored.
        """
        old = list(self.placeholders(owner, conversation_id)) if anew else []
        for names in chunks(old, SLICE_ROWS):
            self.in_turn(self._replace, owner, conversation_id, names, {})
        for names in chunks(list(values), SLICE_ROWS):
            some = {name: values[name] for name in names}
            self.in_turn(self._replace, owner, conversation_id, names, some)

    @writes
    def _replace(
        self,
        connection: Connection,
        owner: str,
        conversation_id: str,
        names: Sequence[str],
        values: Mapping[str, bytes],
    ) -> None:
        """Delete these names of a conversation, and store new values. Raises NotFound."""
        own_conversation(connection, owner, conversation_id)
        old = delete(PlaceholderRow).where(PlaceholderRow.conversation_id == conversation_id)
        connection.execute(old.where(PlaceholderRow.placeholder.in_(names)))
        at = now()
        rows = [
            {"conversation_id": conversation_id, "placeholder": name, "value": value, "created_at": at}
            for name, value in values.items()
        ]
        if rows:
            connection.execute(insert(PlaceholderRow), rows)
