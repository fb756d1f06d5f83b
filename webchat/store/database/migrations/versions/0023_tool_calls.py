"""Tool calls, results of tools, and what a turn was asked with beside its messages.

What replies called was kept with their turns, as the pieces in which it came.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

_AT_ONCE = 200
_TURNS = sa.table("turns", sa.column("message_id", sa.String), sa.column("tool_text", sa.Text))
_MESSAGES = sa.table("messages", sa.column("id", sa.String), sa.column("tool_calls", JSON))


def upgrade() -> None:
    for table in ("messages", "share_messages"):
        op.add_column(table, sa.Column("tool_calls", JSON, nullable=True))
        op.add_column(table, sa.Column("tool_call_id", sa.Text(), nullable=True))
    op.add_column("turns", sa.Column("options", JSON, nullable=True))
    connection = op.get_bind()
    page = sa.select(_TURNS).where(_TURNS.c.tool_text != "").order_by(_TURNS.c.message_id).limit(_AT_ONCE)
    after = ""
    while rows := connection.execute(page.where(_TURNS.c.message_id > after)).all():
        for id, text in rows:
            if calls := _calls(id, text):
                connection.execute(sa.update(_MESSAGES).where(_MESSAGES.c.id == id).values(tool_calls=calls))
        after = rows[-1].message_id
    op.drop_column("turns", "tool_text")


def _calls(message_id: str, text: str) -> list[dict[str, str]]:
    """The pieces as calls, in the order in which they begin."""
    calls: dict[int, dict[str, str]] = {}
    # Only these ends: the pieces have others, such as U+2028, in their texts.
    for piece in filter(None, map(_piece, text.split("\n"))):
        index = piece["index"]
        id = f"call_{message_id.replace('-', '')[-12:]}_{index}"
        call = calls.setdefault(index, {"id": piece.get("id") or id, "name": "", "arguments": ""})
        call["name"] += piece.get("name") or ""
        call["arguments"] += piece.get("arguments") or ""
    return list(calls.values())


def _piece(line: str) -> dict[str, Any] | None:
    """`None` for anything else: those of imported replies were stored as the file had them."""
    try:
        piece = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(piece, dict) or not isinstance(piece.get("index"), int):
        return None
    texts = (piece.get(name) for name in ("id", "name", "arguments"))
    return piece if all(text is None or isinstance(text, str) for text in texts) else None


def downgrade() -> None:
    op.add_column("turns", sa.Column("tool_text", sa.Text(), server_default="", nullable=False))
    op.drop_column("turns", "options")
    for table in ("messages", "share_messages"):
        op.drop_column(table, "tool_call_id")
        op.drop_column(table, "tool_calls")
