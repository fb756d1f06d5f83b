"""Imports of other products' conversations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ID = sa.String(length=36)


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("on_bad", sa.String(length=8), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=True),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("problems", JSON, nullable=False),
        sa.Column("first_id", ID, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_imports_owner_id_owners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_owner_id", "imports", ["owner_id", "created_at", "id"])
    op.create_index(op.f("ix_imports_changed_at"), "imports", ["changed_at"])
    op.create_table(
        "import_sources",
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("product", sa.String(length=24), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("details", JSON, nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "product", "source", name=op.f("pk_import_sources")),
    )
    op.create_index(op.f("ix_import_sources_conversation_id"), "import_sources", ["conversation_id"])
    op.create_table(
        "import_messages",
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "source", name=op.f("pk_import_messages")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("import_messages", "import_sources", "imports"):
        op.drop_table(table)
