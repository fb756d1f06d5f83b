"""Indexes for what one owner has deleted, and by owner: taking an owner away then reads no table. What was
asked with a client key, and the way to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DELETED = sa.text("deleted_at IS NOT NULL")

_WRITTEN = sa.text("author_id IS NOT NULL")
_BY_OWNER = (
    ("feedback", "owner_id"),
    ("search_entries", "owner_id"),
    ("prompt_template_versions", "author_id"),
    ("chat_templates", "author_id"),
)


def upgrade() -> None:
    op.add_column("turns", sa.Column("asked", sa.String(length=64), nullable=True))
    op.create_index("ix_turns_client_key", "turns", ["client_key"], unique=False)
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
    op.create_index(
        "ix_messages_author_id",
        "messages",
        ["author_id"],
        unique=False,
        sqlite_where=_WRITTEN,
        postgresql_where=_WRITTEN,
    )
    for table, column in _BY_OWNER:
        op.create_index(f"ix_{table}_{column}", table, [column], unique=False)


def downgrade() -> None:
    for table, column in reversed(_BY_OWNER):
        op.drop_index(f"ix_{table}_{column}", table_name=table)
    op.drop_index("ix_messages_author_id", table_name="messages")
    op.drop_index("ix_turns_client_key", table_name="turns")
    op.drop_column("turns", "asked")
    op.drop_index("ix_messages_trash", table_name="messages")
    op.drop_index("ix_conversations_trash", table_name="conversations")
