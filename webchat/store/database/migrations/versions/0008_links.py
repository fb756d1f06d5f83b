"""What people who came by a link may use, how much they used, and what they answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ID = sa.String(length=36)
RUNNING = sa.text("finished_at IS NULL AND link_id IS NOT NULL")
_MADE_BY = "FROM conversations c JOIN owners o ON o.id = c.owner_id WHERE o.link_id = links.id"


def upgrade() -> None:
    op.add_column("links", sa.Column("paused_at", TIME, nullable=True))
    op.add_column("links", sa.Column("terms", JSON, nullable=True))
    for name, kind in (
        ("conversations", sa.Integer()),
        ("messages", sa.Integer()),
        ("tokens", sa.BigInteger()),
    ):
        op.add_column("links", sa.Column(name, kind, server_default="0", nullable=False))
    op.add_column("turns", sa.Column("link_id", ID, nullable=True))
    op.add_column("turns", sa.Column("reserved", sa.Integer(), nullable=True))
    op.create_index(
        "ix_turns_link_running", "turns", ["link_id"], sqlite_where=RUNNING, postgresql_where=RUNNING
    )
    op.execute(f"UPDATE links SET conversations = (SELECT count(*) {_MADE_BY})")
    turns = _MADE_BY.replace("WHERE", "JOIN turns t ON t.conversation_id = c.id WHERE")
    op.execute(
        f"UPDATE links SET messages = (SELECT count(*) {turns}),"
        f" tokens = (SELECT coalesce(sum(t.completion_tokens), 0) {turns})"
    )
    op.create_table(
        "consents",
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_consents_owner_id_owners")),
        sa.PrimaryKeyConstraint("owner_id", "version", name=op.f("pk_consents")),
    )
    op.create_table(
        "answers",
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("question_id", sa.String(length=64), nullable=False),
        sa.Column("question", JSON, nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_answers_owner_id_owners")),
        sa.PrimaryKeyConstraint("owner_id", "question_id", name=op.f("pk_answers")),
    )
    op.create_table(
        "handovers",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_handovers_owner_id_owners")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_handovers")),
    )
    op.create_index(op.f("ix_handovers_owner_id"), "handovers", ["owner_id"])
    op.create_index(op.f("ix_handovers_expires_at"), "handovers", ["expires_at"])


def downgrade() -> None:
    for table in ("handovers", "answers", "consents"):
        op.drop_table(table)
    op.drop_index("ix_turns_link_running", table_name="turns")
    for table, names in (
        ("turns", ("reserved", "link_id")),
        ("links", ("tokens", "messages", "conversations", "terms", "paused_at")),
    ):
        for name in names:
            op.drop_column(table, name)
