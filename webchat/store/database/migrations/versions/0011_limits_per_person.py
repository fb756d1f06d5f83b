"""What each of a link's people has used of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_TURNS = "FROM turns t JOIN conversations c ON c.id = t.conversation_id WHERE c.owner_id = owners.id"
_COUNTED = f"{_TURNS} AND t.link_id = owners.link_id"


def upgrade() -> None:
    for name, kind in (
        ("conversations", sa.Integer()),
        ("messages", sa.Integer()),
        ("tokens", sa.BigInteger()),
    ):
        op.add_column("owners", sa.Column(name, kind, server_default="0", nullable=False))
    op.execute(
        f"UPDATE owners SET conversations = (SELECT count(DISTINCT c.id) {_COUNTED}),"
        f" messages = (SELECT count(*) {_COUNTED}),"
        f" tokens = (SELECT coalesce(sum(t.completion_tokens), 0) {_COUNTED})"
        " WHERE link_id IS NOT NULL AND kind = 'guest'"
    )


def downgrade() -> None:
    for name in ("tokens", "messages", "conversations"):
        op.drop_column("owners", name)
