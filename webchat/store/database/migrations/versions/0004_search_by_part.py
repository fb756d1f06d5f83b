"""The search index holds pieces of words instead of words. All texts owe theirs again: they come in after the
start, beside whatever is done meanwhile."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_PAGE_BYTES = 1000
"""Small pages: SQLite merges its index more often then, and less of it at once, while the writer waits."""


def upgrade() -> None:
    _begin_anew("columnsize=0")
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"INSERT INTO search_words (search_words, rank) VALUES ('pgsz', {_PAGE_BYTES})")
    op.execute("UPDATE search_entries SET parts = 0, owed = 1")


def downgrade() -> None:
    # The version before puts in what is owed of messages, and each title when it is changed.
    _begin_anew("columnsize=1")
    op.execute(
        "UPDATE search_entries SET parts = 0, owed = CASE WHEN message_id IS NULL THEN NULL ELSE 1 END"
    )


def _begin_anew(option: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("TRUNCATE search_words")
        return
    # Quicker than deleting its rows.
    op.drop_table("search_words")
    op.execute(
        "CREATE VIRTUAL TABLE search_words USING fts5("
        f"words, detail='none', tokenize=\"ascii tokenchars '_'\", {option})"
    )
