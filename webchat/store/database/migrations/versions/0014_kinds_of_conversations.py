"""What a conversation is stored for: chats are all that people see of theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_LISTING = ["archived", "pinned", "updated_at", "id"]
_LIVING = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    kind = sa.Column("kind", sa.String(length=8), server_default="chat", nullable=False)
    op.add_column("conversations", kind)
    _list_by("owner_id", "kind")


def downgrade() -> None:
    _list_by("owner_id")
    op.drop_column("conversations", "kind")


def _list_by(*first: str) -> None:
    name = "ix_conversations_listing"
    op.drop_index(name, "conversations")
    op.create_index(
        name, "conversations", [*first, *_LISTING], sqlite_where=_LIVING, postgresql_where=_LIVING
    )
