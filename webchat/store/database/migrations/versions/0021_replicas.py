"""Leases of the processes that serve a database together, and which of them runs a turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "replicas",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("about", sa.String(64), nullable=False, server_default=""),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purges_before", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_replicas"),
    )
    op.add_column("turns", sa.Column("replica_id", sa.String(36), nullable=True))
    op.add_column("turns", sa.Column("ending", sa.String(16), nullable=True))


def downgrade() -> None:
    op.drop_column("turns", "ending")
    op.drop_column("turns", "replica_id")
    op.drop_table("replicas")
