"""What an open comparison keeps from happening to its two replies, and its end."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, update

from webchat.store.database.codec import now
from webchat.store.database.tables.conversations import MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow
from webchat.store.errors import ComparisonOpen
from webchat.store.search.index import add_reply

_IN = select(TurnRow.compared_in).where(TurnRow.message_id == bindparam("message"))


def compared_in(connection: Connection, message_id: str | None) -> str | None:
    """The open comparison that a reply is a side of."""
    if message_id is None:
        return None
    found: str | None = connection.scalar(_IN, {"message": message_id})
    return found


def check_uncompared(connection: Connection, *message_ids: str | None) -> None:
    """Raises ComparisonOpen if one of these is a side of an open comparison: nothing is built on it."""
    if any(compared_in(connection, id) is not None for id in message_ids):
        raise ComparisonOpen


def close_comparison(connection: Connection, comparison_id: str) -> None:
    """Show which side is which from now on. The search index gets what has ended: before, it would have told
    which side ended first."""
    sides = connection.execute(
        select(TurnRow.message_id, TurnRow.finished_at, MessageRow.text)
        .join(MessageRow, MessageRow.id == TurnRow.message_id)
        .where(TurnRow.compared_in == comparison_id)
    ).all()
    connection.execute(update(TurnRow).where(TurnRow.compared_in == comparison_id).values(compared_in=None))
    for side in sides:
        if side.finished_at is not None:
            add_reply(connection, side.message_id, side.text)
    connection.execute(
        update(ComparisonRow)
        .where(ComparisonRow.id == comparison_id, ComparisonRow.closed_at.is_(None))
        .values(closed_at=now())
    )
