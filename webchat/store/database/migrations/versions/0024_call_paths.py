"""What a kept call was asked, so that the call that goes on from it is found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("turns", sa.Column("path_hash", sa.String(length=64), nullable=True))
    there = sa.text("path_hash IS NOT NULL")
    op.create_index("ix_turns_path_hash", "turns", ["path_hash"], sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    op.drop_index("ix_turns_path_hash", "turns")
    op.drop_column("turns", "path_hash")
