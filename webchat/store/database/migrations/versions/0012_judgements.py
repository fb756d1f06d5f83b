"""Judgements of replies in place of bare ratings, and whether a member's may train models."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from uuid6 import uuid7

revision = "0012"
down_revision = "0011"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ID = sa.String(length=36)

_SLICE = 500
_LISTED = ("model", "template", "link_id", "owner_id", "rating", "review")


def upgrade() -> None:
    op.add_column("people", sa.Column("trains", sa.Boolean(), server_default=sa.false(), nullable=False))
    judgements = op.create_table(
        "judgements",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("link_id", ID, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("answers", JSON, nullable=False),
        sa.Column("better", sa.Text(), nullable=False),
        sa.Column("corrects", sa.Boolean(), nullable=False),
        sa.Column("consent", JSON, nullable=True),
        sa.Column("covers", sa.Boolean(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("review", sa.String(length=16), nullable=False),
        sa.Column("reviewed_by", ID, nullable=True),
        sa.Column("reviewed_at", TIME, nullable=True),
        sa.Column("review_better", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_judgements_message_id_messages")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_judgements_owner_id_owners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgements")),
        sa.UniqueConstraint("message_id", "owner_id", name=op.f("uq_judgements_message_id_owner_id")),
    )
    op.create_index("ix_judgements_day", "judgements", ["day", "model", "rating", "corrects"])
    op.create_index("ix_judgements_at", "judgements", ["at", "id"])
    for column in _LISTED:
        op.create_index(f"ix_judgements_{column}", "judgements", [column, "at", "id"])
    op.create_table(
        "judgement_reasons",
        sa.Column("judgement_id", ID, nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["judgement_id"],
            ["judgements.id"],
            name=op.f("fk_judgement_reasons_judgement_id_judgements"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("judgement_id", "reason", name=op.f("pk_judgement_reasons")),
    )
    op.create_index("ix_judgement_reasons_reason", "judgement_reasons", ["reason", "at", "judgement_id"])
    _carry_over(judgements)
    op.drop_table("feedback")


def _carry_over(judgements: sa.Table) -> None:
    """Ratings, which said nothing else, and were given without a sentence that covers training."""
    rated = op.get_bind().execute(
        sa.text(
            "SELECT f.message_id, f.owner_id, f.value, f.created_at, t.model, t.template,"
            " CASE WHEN o.kind = 'guest' THEN o.link_id END AS link_id"
            " FROM feedback f JOIN owners o ON o.id = f.owner_id"
            " LEFT JOIN turns t ON t.message_id = f.message_id ORDER BY f.created_at"
        ).columns(created_at=TIME)
    )
    for rows in rated.partitions(_SLICE):
        op.bulk_insert(judgements, [_judgement(row) for row in rows])


def _judgement(row: Any) -> dict[str, object]:
    at = row.created_at.astimezone(UTC) if row.created_at.tzinfo else row.created_at  # SQLite's are UTC
    return {
        "id": str(uuid7()),
        "message_id": row.message_id,
        "owner_id": row.owner_id,
        "link_id": row.link_id,
        "at": at,
        "day": at.date().isoformat(),
        "changed_at": at,
        "rating": row.value,
        "reasons": [],
        "comment": "",
        "answers": [],
        "better": "",
        "corrects": False,
        "covers": False,
        "model": row.model or "",
        "template": row.template or "",
        "review": "new",
        "review_better": "",
    }


def downgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_feedback_message_id_messages")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_feedback_owner_id_owners")),
        sa.PrimaryKeyConstraint("message_id", "owner_id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_owner_id"), "feedback", ["owner_id"])
    op.execute(
        "INSERT INTO feedback (message_id, owner_id, value, created_at)"
        " SELECT message_id, owner_id, rating, at FROM judgements WHERE rating <> 0"
    )
    for table in ("judgement_reasons", "judgements"):
        op.drop_table(table)
    op.drop_column("people", "trains")
