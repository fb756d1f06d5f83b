"""Verbs on the pictures and sounds of replies. A name says what the data is, so what has it in a conversation
is the same: a version, or a continuation, that goes on from the text of another message needs no copy."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select

from backends.types import Media
from webchat.store.database.dialect import Dialect
from webchat.store.database.tables.conversations import MediaRow, MessageRow, TurnRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.errors import NotFound
from webchat.store.verbs.tree import own_message

PART_BYTES = 1 << 18
"""Written at once: a part holds the writer for some milliseconds."""

_RUNS = select(TurnRow.message_id).where(
    TurnRow.message_id == bindparam("message"), TurnRow.finished_at.is_(None)
)
_NAMES = select(MediaRow.name).where(MediaRow.message_id == bindparam("message")).distinct()
_DROP = delete(MediaRow).where(
    MediaRow.message_id == bindparam("message"), MediaRow.name.in_(bindparam("names", expanding=True))
)


class MediaVerbs(Database):
    """Storing and reading them."""

    @long
    def keep_media(self, message_id: str, media: Media) -> None:
        """Store media of a running reply before its text names them. A finished reply is not changed."""
        for part, start in enumerate(range(0, len(media.data), PART_BYTES)):
            self.in_turn(self._keep_part, message_id, media, part, media.data[start : start + PART_BYTES])

    @writes
    def _keep_part(
        self, connection: Connection, message_id: str, media: Media, part: int, data: bytes
    ) -> None:
        if connection.scalar(_RUNS, {"message": message_id}):
            keep_part(self.dialect, connection, message_id, media, part, data)

    @reads
    def media(self, connection: Connection, owner: str, message_id: str, name: str) -> Media:
        """The media a message names, whichever message of its conversation brought them. Raises NotFound."""
        row = own_message(connection, owner, message_id)
        return media_in(connection, row.conversation_id, name)


def keep_part(
    dialect: Dialect, connection: Connection, message_id: str, media: Media, part: int, data: bytes
) -> None:
    """data: of this part."""
    values = {
        "message_id": message_id,
        "name": media.name,
        "part": part,
        "media_type": media.media_type,
        "data": data,
    }
    dialect.insert_once(connection, MediaRow, values)


def media_in(connection: Connection, conversation_id: str, name: str, *of: ColumnElement[bool]) -> Media:
    """Media that messages of a conversation name. of: which messages may have brought it. Raises NotFound."""
    parts = connection.execute(
        select(MediaRow.message_id, MediaRow.media_type, MediaRow.data)
        .join(MessageRow, MessageRow.id == MediaRow.message_id)
        .where(MediaRow.name == name, MessageRow.conversation_id == conversation_id, *of)
        .order_by(MediaRow.message_id, MediaRow.part)
    ).all()
    if not parts:
        raise NotFound("media")
    first = parts[0]
    same = [part.data for part in parts if part.message_id == first.message_id]
    return Media(name, first.media_type, b"".join(same))


def drop_unnamed(connection: Connection, message_id: str, texts: Sequence[str]) -> None:
    """Delete media that a reply's text does not name: they were never released, or never complete."""
    names = list(connection.scalars(_NAMES, {"message": message_id}))
    if unnamed := [name for name in names if not any(f";id={name}," in text for text in texts)]:
        connection.execute(_DROP, {"message": message_id, "names": unnamed})
