"""Stored replies that other models give again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ID = sa.String(length=36)

_OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "replay_sets",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("chosen", JSON, nullable=False),
        sa.Column("assertions", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _refers("replay_sets", "owner_id", "owners"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replay_sets")),
        sa.UniqueConstraint("name", name=op.f("uq_replay_sets_name")),
    )
    op.create_table(
        "replay_items",
        sa.Column("set_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        _refers("replay_items", "set_id", "replay_sets"),
        _refers("replay_items", "message_id", "messages"),
        sa.PrimaryKeyConstraint("set_id", "number", name=op.f("pk_replay_items")),
    )
    op.create_table(
        "replay_runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("set_id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("variant", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _refers("replay_runs", "set_id", "replay_sets"),
        _refers("replay_runs", "owner_id", "owners"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replay_runs")),
        sa.UniqueConstraint("set_id", "name", name=op.f("uq_replay_runs_set_id_name")),
    )
    op.create_index(
        "ix_replay_runs_open", "replay_runs", ["created_at"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_table(
        "replay_replies",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("asked_id", ID, nullable=False),
        sa.Column("reply_id", ID, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure", JSON, nullable=True),
        _refers("replay_replies", "run_id", "replay_runs"),
        _refers("replay_replies", "conversation_id", "conversations"),
        _refers("replay_replies", "asked_id", "messages"),
        _refers("replay_replies", "reply_id", "messages"),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_replay_replies")),
    )
    for table, column in (
        ("replay_sets", "owner_id"),
        ("replay_items", "message_id"),
        ("replay_runs", "owner_id"),
        ("replay_replies", "conversation_id"),
        ("replay_replies", "asked_id"),
        ("replay_replies", "reply_id"),
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def downgrade() -> None:
    for table in ("replay_replies", "replay_runs", "replay_items", "replay_sets"):
        op.drop_table(table)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))
