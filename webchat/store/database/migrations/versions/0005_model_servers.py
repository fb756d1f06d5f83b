"""The servers that models run on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "model_servers",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_servers")),
        sa.UniqueConstraint("identity", name=op.f("uq_model_servers_identity")),
    )


def downgrade() -> None:
    op.drop_table("model_servers")
