"""The search index: written in the transaction that writes the text, asked by words.

`search_entries` says what an entry stands for. Its words are in `search_words`: an FTS5 table whose row id is
the entry's number on SQLite, a tsvector column under a GIN index on PostgreSQL. Both get ready-made words,
and one more that stands for the owner: so the index alone finds what somebody said, however much others said.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, TextClause, bindparam, insert, select, text, update

from webchat.store.tables import SearchEntryRow
from webchat.store.words import Term, index_words

_PUT = {
    "sqlite": text("INSERT INTO search_words (rowid, words) VALUES (:number, :words)"),
    "postgresql": text(
        "INSERT INTO search_words (number, words)"
        " VALUES (:number, array_to_tsvector(string_to_array(CAST(:words AS text), ' ')))"
    ),
}
_TAKE = {
    "sqlite": text("DELETE FROM search_words WHERE rowid = :number"),
    "postgresql": text("DELETE FROM search_words WHERE number = :number"),
}

_ADD = insert(SearchEntryRow).returning(SearchEntryRow.number)
_ENTRY = select(SearchEntryRow.number, SearchEntryRow.owner_id)
_ENTRY_OF_MESSAGE = _ENTRY.where(SearchEntryRow.message_id == bindparam("message"))
_ENTRY_OF_TITLE = _ENTRY.where(
    SearchEntryRow.conversation_id == bindparam("conversation"), SearchEntryRow.message_id.is_(None)
)

_FIND = """
{begin}
{join} search_entries AS e ON e.number = w.{number}
JOIN conversations AS c ON c.id = e.conversation_id
LEFT JOIN messages AS m ON m.id = e.message_id
WHERE {match} w.{number} < :below
  AND e.owner_id = :owner AND c.deleted_at IS NULL AND m.deleted_at IS NULL
ORDER BY w.{number} DESC LIMIT :count
"""
_CHOICE = "SELECT e.number, e.conversation_id, e.message_id FROM"
# Both begin with the words, whatever their statistics say: by CROSS JOIN, by MATERIALIZED.
FIND = {
    "sqlite": text(
        _FIND.format(
            begin=f"{_CHOICE} search_words AS w",
            join="CROSS JOIN",
            number="rowid",
            match="search_words MATCH :words AND",
        )
    ),
    "postgresql": text(
        _FIND.format(
            begin="WITH w AS MATERIALIZED"
            f" (SELECT number FROM search_words WHERE words @@ CAST(:words AS tsquery)) {_CHOICE} w",
            join="JOIN",
            number="number",
            match="",
        )
    ),
}


def add_entry(
    connection: Connection, owner: str, conversation_id: str, message_id: str | None, content: str
) -> None:
    """Take a message, or with `None` the conversation's title, into the index."""
    number = connection.scalar(
        _ADD, {"owner_id": owner, "conversation_id": conversation_id, "message_id": message_id}
    )
    assert number is not None
    _put(connection, number, owner, content)


def set_words(connection: Connection, message_id: str, content: str) -> None:
    """Replace the words of a message."""
    _replace(connection, connection.execute(_ENTRY_OF_MESSAGE, {"message": message_id}).first(), content)


def replace_title(connection: Connection, conversation_id: str, title: str) -> None:
    """Replace the words of a title."""
    _replace(
        connection, connection.execute(_ENTRY_OF_TITLE, {"conversation": conversation_id}).first(), title
    )


def remove_words(connection: Connection, numbers: Sequence[int]) -> None:
    """Forget the words of these entries."""
    if numbers:
        connection.execute(_TAKE[connection.dialect.name], [{"number": number} for number in numbers])


def merge_parts(connection: Connection, pages: int) -> bool:
    """Merge the parts of the index of SQLite into one, about `pages` pages of it: FTS5 keeps removed words
    until then. A negative number begins, positive ones go on. `False` when there is nothing left to do."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    before = driver.total_changes
    driver.execute("INSERT INTO search_words (search_words, rank) VALUES ('merge', ?)", (pages,))
    # As FTS5 tells it: a merge that changes less than two rows found nothing.
    return driver.total_changes - before >= 2


def find(
    connection: Connection, owner: str, terms: Sequence[Term], below: int, count: int
) -> Sequence[Row[Any]]:
    """Up to `count` entries (number, conversation_id, message_id) of living things, newest first, that hold
    every word of the terms, numbered less than `below`. Longer unspaced terms must still be looked up in the
    text."""
    statement: TextClause = FIND[connection.dialect.name]
    values = {
        "words": match(connection.dialect.name, owner, terms),
        "owner": owner,
        "below": below,
        "count": count,
    }
    return connection.execute(statement, values).all()


def match(kind: str, owner: str, terms: Sequence[Term]) -> str:
    """The owner's word and those of the terms in the query language of this kind of database. Words hold
    letters, digits, marks and `_` only, so quoting them is all the escaping there is."""
    words = [(_owners_word(owner), False), *((word, term.prefix) for term in terms for word in term.words)]
    if kind == "sqlite":
        return " AND ".join(f'"{word}"{"*" * prefix}' for word, prefix in words)
    return " & ".join(f"'{word}'{':*' * prefix}" for word, prefix in words)


def _owners_word(owner: str) -> str:
    return f"owner_{owner.replace('-', '')}"


def words_for(owner: str, content: str) -> str:
    """What the index holds of a text of this owner; empty for a text without a word."""
    words = index_words(content)
    return " ".join([_owners_word(owner), *words]) if words else ""


def hand_over(connection: Connection, words: Sequence[tuple[int, str]], owner: str, giver: str) -> None:
    """Make entries of `giver` this owner's. words: by number, what `words_for` made of their texts; an entry
    that is not the giver's stays."""
    numbers = [number for number, _ in words]
    moved = set(
        connection.scalars(
            update(SearchEntryRow)
            .where(SearchEntryRow.number.in_(numbers), SearchEntryRow.owner_id == giver)
            .values(owner_id=owner)
            .returning(SearchEntryRow.number)
        )
    )
    remove_words(connection, sorted(moved))
    rows = [{"number": number, "words": text} for number, text in words if text and number in moved]
    if rows:
        connection.execute(_PUT[connection.dialect.name], rows)


def _replace(connection: Connection, entry: Row[int, str] | None, content: str) -> None:
    if entry is not None:
        connection.execute(_TAKE[connection.dialect.name], {"number": entry.number})
        _put(connection, entry.number, entry.owner_id, content)


def _put(connection: Connection, number: int, owner: str, content: str) -> None:
    if words := words_for(owner, content):
        connection.execute(_PUT[connection.dialect.name], {"number": number, "words": words})
