"""Indexes for what one owner has deleted, and by owner: taking an owner away then reads no table. What was
asked with a client key, and the way to it. The words of long texts in parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_DELETED = sa.text("deleted_at IS NOT NULL")

_OWED = sa.text("owed IS NOT NULL")
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
    op.add_column("search_entries", sa.Column("parts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("search_entries", sa.Column("owed", sa.Integer(), nullable=True))
    op.create_index(
        "ix_search_entries_owed",
        "search_entries",
        ["owed"],
        unique=False,
        sqlite_where=_OWED,
        postgresql_where=_OWED,
    )
    if op.get_context().dialect.name == "postgresql":
        op.add_column("search_words", sa.Column("part", sa.Integer(), server_default="0", nullable=False))
        op.drop_constraint("pk_search_words", "search_words")
        op.create_primary_key("pk_search_words", "search_words", ["number", "part"])


def downgrade() -> None:
    # Long texts lose what words they have in parts.
    if op.get_context().dialect.name == "postgresql":
        op.execute("DELETE FROM search_words WHERE part > 0")
        op.drop_constraint("pk_search_words", "search_words")
        op.drop_column("search_words", "part")
        op.create_primary_key("pk_search_words", "search_words", ["number"])
    op.drop_index("ix_search_entries_owed", table_name="search_entries")
    op.drop_column("search_entries", "owed")
    op.drop_column("search_entries", "parts")
    for table, column in reversed(_BY_OWNER):
        op.drop_index(f"ix_{table}_{column}", table_name=table)
    op.drop_index("ix_messages_author_id", table_name="messages")
    op.drop_index("ix_turns_client_key", table_name="turns")
    op.drop_column("turns", "asked")
    op.drop_index("ix_messages_trash", table_name="messages")
    op.drop_index("ix_conversations_trash", table_name="conversations")
