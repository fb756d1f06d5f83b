"""Queues of replies and comparisons for reviewers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ID = sa.String(length=36)


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("wanted", JSON, nullable=False),
        sa.Column("reviews", sa.Integer(), nullable=False),
        sa.Column("reviewers", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queues")),
    )
    op.create_index(op.f("ix_queues_closed_at"), "queues", ["closed_at"])
    op.create_table(
        "queue_items",
        sa.Column("id", ID, nullable=False),
        sa.Column("queue_id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.Column("comparison_id", ID, nullable=True),
        sa.Column("given", sa.Integer(), nullable=False),
        _refers("queue_items", "queue_id", "queues"),
        _refers("queue_items", "message_id", "messages", ondelete="CASCADE"),
        _refers("queue_items", "comparison_id", "comparisons", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_items")),
    )
    op.create_index("ix_queue_items_queue_id", "queue_items", ["queue_id", "given", "id"])
    for column in ("message_id", "comparison_id"):
        op.create_index(op.f(f"ix_queue_items_{column}"), "queue_items", [column])
    op.create_table(
        "reviews",
        sa.Column("item_id", ID, nullable=False),
        sa.Column("reviewer_id", ID, nullable=False),
        sa.Column("queue_id", ID, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        _refers("reviews", "item_id", "queue_items", ondelete="CASCADE"),
        _refers("reviews", "reviewer_id", "owners"),
        _refers("reviews", "queue_id", "queues"),
        sa.PrimaryKeyConstraint("item_id", "reviewer_id", name=op.f("pk_reviews")),
    )
    op.create_index("ix_reviews_reviewer_id", "reviews", ["reviewer_id", "queue_id", "verdict"])
    op.create_index("ix_reviews_queue_id", "reviews", ["queue_id", "verdict"])


def _refers(table: str, column: str, to: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{to}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete=ondelete)


def downgrade() -> None:
    for table in ("reviews", "queue_items", "queues"):
        op.drop_table(table)
