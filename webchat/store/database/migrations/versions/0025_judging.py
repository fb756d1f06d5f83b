"""Runs whose replies are what a model thinks of the replies of another run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("replay_runs", sa.Column("judges", sa.String(length=36), nullable=True))


def downgrade() -> None:
    op.drop_column("replay_runs", "judges")
