"""Comparisons of two replies to one message."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ID = sa.String(length=36)

_REFERS = {
    "owner_id": "owners",
    "conversation_id": "conversations",
    "asked_id": "messages",
    "left_id": "messages",
    "right_id": "messages",
}
_COMPARED = sa.text("compared_in IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", ID, nullable=False),
        *(sa.Column(column, ID, nullable=False) for column in _REFERS),
        sa.Column("left_model", sa.Text(), nullable=False),
        sa.Column("right_model", sa.Text(), nullable=False),
        sa.Column("left_settings", JSON, nullable=False),
        sa.Column("right_settings", JSON, nullable=False),
        sa.Column("link_id", ID, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("preferred", sa.String(length=8), nullable=True),
        sa.Column("left_good", sa.Boolean(), nullable=True),
        sa.Column("right_good", sa.Boolean(), nullable=True),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("voted_at", TIME, nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("consent", JSON, nullable=True),
        sa.Column("review", JSON, nullable=True),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_comparisons_{column}_{table}"))
            for column, table in _REFERS.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )
    op.create_index("ix_comparisons_at", "comparisons", ["at", "id"])
    op.create_index(
        "ix_comparisons_link_id", "comparisons", ["link_id", "left_model", "right_model", "preferred"]
    )
    for column in ("owner_id", "asked_id", "left_id", "right_id"):
        op.create_index(op.f(f"ix_comparisons_{column}"), "comparisons", [column])
    op.add_column("turns", sa.Column("compared_in", ID, nullable=True))
    op.create_index(
        "ix_turns_compared_in",
        "turns",
        ["compared_in"],
        sqlite_where=_COMPARED,
        postgresql_where=_COMPARED,
    )


def downgrade() -> None:
    op.drop_index("ix_turns_compared_in", "turns")
    op.drop_column("turns", "compared_in")
    op.drop_table("comparisons")
