"""What the search index is owed, in the order in which it is put in: so that it is read page by page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

_OWED = sa.text("owed IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_search_entries_owing", "search_entries", ["number"], sqlite_where=_OWED, postgresql_where=_OWED
    )
    op.drop_index("ix_search_entries_owed", table_name="search_entries")


def downgrade() -> None:
    op.create_index(
        "ix_search_entries_owed", "search_entries", ["owed"], sqlite_where=_OWED, postgresql_where=_OWED
    )
    op.drop_index("ix_search_entries_owing", table_name="search_entries")
