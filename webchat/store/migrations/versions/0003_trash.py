"""Indexes for what one owner has deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DELETED = sa.text("deleted_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_conversations_trash",
        "conversations",
        ["owner_id", "deleted_at", "id"],
        unique=False,
        sqlite_where=_DELETED,
        postgresql_where=_DELETED,
    )
    op.create_index(
        "ix_messages_trash",
        "messages",
        ["conversation_id", "deleted_at"],
        unique=False,
        sqlite_where=_DELETED,
        postgresql_where=_DELETED,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_trash", table_name="messages")
    op.drop_index("ix_conversations_trash", table_name="conversations")
