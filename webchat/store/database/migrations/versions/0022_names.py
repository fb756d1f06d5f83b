"""What people and links are called can be searched without reading all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webchat.store.search.words import index_words

revision = "0022"
down_revision = "0021"

_AT_ONCE = 500
_CALLED = (
    "SELECT 'link' AS kind, id, name AS text FROM links UNION ALL"
    " SELECT 'person', owner_id, people.subject || ' ' || owners.name || ' ' || COALESCE(people.email, '')"
    " FROM people JOIN owners ON owners.id = people.owner_id"
)


def upgrade() -> None:
    word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    table = op.create_table(
        "name_words",
        sa.Column("about_id", sa.String(length=36), nullable=False),
        sa.Column("word", word, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("about_id", "word", name=op.f("pk_name_words")),
    )
    op.create_index("ix_name_words_word", "name_words", ["kind", "word", "about_id"])
    said = op.get_bind().execute(sa.text(_CALLED)).all()
    for start in range(0, len(said), _AT_ONCE):
        rows = [
            {"about_id": id, "word": word, "kind": kind}
            for kind, id, text in said[start : start + _AT_ONCE]
            for word in index_words(text[:1000])
        ]
        if rows:
            op.bulk_insert(table, rows)


def downgrade() -> None:
    op.drop_table("name_words")
