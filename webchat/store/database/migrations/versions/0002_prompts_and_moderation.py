"""Prompt templates, chat templates, what models were sent, decisions of moderators, placeholders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "prompt_templates",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owners.id"], name=op.f("fk_prompt_templates_owner_id_owners")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_templates")),
    )
    op.create_index(op.f("ix_prompt_templates_owner_id"), "prompt_templates", ["owner_id"], unique=False)
    op.create_index(op.f("ix_prompt_templates_scope"), "prompt_templates", ["scope"], unique=False)
    op.create_table(
        "prompt_template_versions",
        sa.Column("template_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("author_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["template_id"],
            ["prompt_templates.id"],
            name=op.f("fk_prompt_template_versions_template_id_prompt_templates"),
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["owners.id"], name=op.f("fk_prompt_template_versions_author_id_owners")
        ),
        sa.PrimaryKeyConstraint("template_id", "number", name=op.f("pk_prompt_template_versions")),
    )
    op.create_table(
        "chat_templates",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("author_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["owners.id"], name=op.f("fk_chat_templates_author_id_owners")
        ),
        sa.PrimaryKeyConstraint("model", "number", name=op.f("pk_chat_templates")),
    )
    op.create_table(
        "inspections",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("base_id", sa.String(length=36), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["turns.message_id"], name=op.f("fk_inspections_message_id_turns")
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_inspections")),
    )
    op.create_table(
        "decisions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("moderator", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("conversation_id", sa.String(length=36), nullable=True),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_decisions")),
        sqlite_autoincrement=True,
    )
    for column in ("rule", "stage", "action", "conversation_id"):
        op.create_index(f"ix_decisions_{column}", "decisions", [column, "number"], unique=False)
    op.create_index("ix_decisions_at", "decisions", ["at", "rule", "moderator", "action"], unique=False)
    op.create_table(
        "placeholders",
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("placeholder", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_placeholders_conversation_id_conversations"),
        ),
        sa.PrimaryKeyConstraint("conversation_id", "placeholder", name=op.f("pk_placeholders")),
    )
    op.add_column("messages", sa.Column("template", JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "template")
    for table in (
        "placeholders",
        "decisions",
        "inspections",
        "chat_templates",
        "prompt_template_versions",
        "prompt_templates",
    ):
        op.drop_table(table)
