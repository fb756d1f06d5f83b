"""How often the server died while it read a file to import."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("imports", sa.Column("tries", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("imports", "tries")
