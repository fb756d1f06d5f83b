"""The search index: written in the transaction that writes the text, asked by words.

`search_entries` says what an entry stands for. Its words are in `search_words`: an FTS5 table whose row id is
the entry's number on SQLite, a tsvector column under a GIN index on PostgreSQL. Both get ready-made words,
and one more that stands for the owner: so the index alone finds what somebody said, however much others said.

The words of a long text would hold the writer; they are owed, and put in part by part soon after
(`indexing.py`). Parts are rows of their own, with another word for the owner. So the usual question does not
meet them; it is asked of them word by word.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from functools import cache
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from webchat.store.database.tables.base import FLEETING
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.search.words import Term, index_words, query_words

LONG_CHARS = 5_000
"""The words of longer texts come in parts."""

MOST_PARTS = 4095
_PARTS_FROM = 1 << 48
"""Row ids of parts on SQLite begin here: this, the entry's number, and in the last twelve bits the part's."""

_OWING = "owes words"

_PUT = {
    "sqlite": text("INSERT INTO search_words (rowid, words) VALUES (:row, :words)"),
    "postgresql": text(
        "INSERT INTO search_words (number, part, words)"
        " VALUES (:number, :part, array_to_tsvector(string_to_array(CAST(:words AS text), ' ')))"
    ),
}
_TAKE = {
    "sqlite": text("DELETE FROM search_words WHERE rowid = :row"),
    "postgresql": text("DELETE FROM search_words WHERE number = :number AND part = :part"),
}
_WITH_PART = {
    "sqlite": text(
        f"SELECT DISTINCT (rowid - {_PARTS_FROM}) >> 12 FROM search_words WHERE search_words MATCH :words"
    ),
    "postgresql": text("SELECT DISTINCT number FROM search_words WHERE words @@ CAST(:words AS tsquery)"),
}

CONTENT = func.coalesce(MessageRow.text, ConversationRow.title)
"""What is searched of an entry."""

_CONTENTS = (
    select(SearchEntryRow.number, SearchEntryRow.owner_id, SearchEntryRow.owed, CONTENT.label("content"))
    .join(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
    .outerjoin(MessageRow, MessageRow.id == SearchEntryRow.message_id)
    .where(SearchEntryRow.number.in_(bindparam("numbers", expanding=True)), SearchEntryRow.owed.is_not(None))
)
_ADD = insert(SearchEntryRow).returning(SearchEntryRow.number)
_ENTRY = select(SearchEntryRow.number, SearchEntryRow.owner_id, SearchEntryRow.owed)
_ENTRY_OF_MESSAGE = _ENTRY.where(SearchEntryRow.message_id == bindparam("message"))
_ENTRY_OF_TITLE = _ENTRY.where(
    SearchEntryRow.conversation_id == bindparam("conversation"), SearchEntryRow.message_id.is_(None)
)

# Newest first, and as they are asked for: mostly the first ones are enough.
FIND = {
    "sqlite": text("SELECT rowid FROM search_words WHERE search_words MATCH :words ORDER BY rowid DESC"),
    "postgresql": text(
        "SELECT number FROM search_words WHERE words @@ CAST(:words AS tsquery) ORDER BY number DESC"
    ),
}
_LIVING = (
    select(SearchEntryRow.number, SearchEntryRow.conversation_id, SearchEntryRow.message_id)
    .join(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
    .outerjoin(MessageRow, MessageRow.id == SearchEntryRow.message_id)
    .where(
        SearchEntryRow.number.in_(bindparam("numbers", expanding=True)),
        SearchEntryRow.owner_id.in_(bindparam("owners", expanding=True)),
        ConversationRow.deleted_at.is_(None),
        MessageRow.deleted_at.is_(None),
    )
    .order_by(SearchEntryRow.number.desc())
)
_AT_ONCE = 100
"""Numbers that are looked up at once."""

_OWED_TO = (
    select(SearchEntryRow.number)
    .where(SearchEntryRow.owed.is_not(None), SearchEntryRow.owner_id.in_(bindparam("owners", expanding=True)))
    .limit(1)
)
_ONE = SearchEntryRow.number == bindparam("entry")
_OWE = update(SearchEntryRow).where(_ONE).values(owed=1)
_SETTLE = update(SearchEntryRow).where(_ONE).values(owed=None)
_SETTLE_ALL = (
    update(SearchEntryRow)
    .where(SearchEntryRow.number.in_(bindparam("entries", expanding=True)))
    .values(owed=None)
)
_HAVE = (
    update(SearchEntryRow)
    .where(
        _ONE,
        SearchEntryRow.owner_id == bindparam("owner"),
        SearchEntryRow.owed == bindparam("was"),
    )
    .values(owed=bindparam("becomes"), parts=bindparam("count"))
)


def add_entry(
    connection: Connection, owner: str, conversation_id: str, message_id: str | None, content: str
) -> None:
    """Add a message, or with `None` the conversation's title, to the index."""
    number = connection.scalar(
        _ADD, {"owner_id": owner, "conversation_id": conversation_id, "message_id": message_id}
    )
    assert number is not None
    _put(connection, number, words_for(owner, content))


def add_reply(connection: Connection, message_id: str, content: str) -> None:
    """Add a finished reply of a chat to the index; one that was added when it began gets its words."""
    entry = connection.execute(_add_reply(connection.dialect.name), {"message": message_id}).first()
    if entry is not None:
        _put(connection, entry.number, words_for(entry.owner_id, content))
    else:
        _replace(connection, connection.execute(_ENTRY_OF_MESSAGE, {"message": message_id}).first(), content)


@cache
def _add_reply(kind: str) -> Any:
    """The statement, built once."""
    columns = ("owner_id", "conversation_id", "message_id")
    reply = (
        select(ConversationRow.owner_id, ConversationRow.id, MessageRow.id)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .where(
            MessageRow.id == bindparam("message"),
            ConversationRow.kind == "chat",
            ConversationRow.deleted_at.is_distinct_from(FLEETING),
        )
    )
    into = {"sqlite": sqlite, "postgresql": postgresql}[kind].insert(SearchEntryRow)
    added = into.from_select(columns, reply).on_conflict_do_nothing()
    return added.returning(SearchEntryRow.number, SearchEntryRow.owner_id)


def replace_title(connection: Connection, conversation_id: str, title: str) -> None:
    """Replace the words of a title."""
    _replace(
        connection, connection.execute(_ENTRY_OF_TITLE, {"conversation": conversation_id}).first(), title
    )


def replace_text(connection: Connection, message_id: str, content: str) -> None:
    """Replace the words of a message whose words are in no parts."""
    _replace(connection, connection.execute(_ENTRY_OF_MESSAGE, {"message": message_id}).first(), content)


def put_rows(connection: Connection, numbers: Sequence[int]) -> None:
    """Put the words of those of these entries that owe any into the index, each entry's in one row."""
    entries = connection.execute(_CONTENTS, {"numbers": numbers}).all()
    if not entries:
        return
    # Together: a statement for each costs more than its work, and an import has a million of them.
    connection.execute(_SETTLE_ALL, {"entries": [entry.number for entry in entries]})
    connection.execute(_TAKE[connection.dialect.name], [_row(entry.number, 0) for entry in entries])
    rows = []
    for entry in entries:
        words = words_for(entry.owner_id, entry.content)
        if words:
            rows.append(_row(entry.number, 0) | {"words": words})
        elif words is None:
            _put(connection, entry.number, None)
    if rows:
        connection.execute(_PUT[connection.dialect.name], rows)


def remove_words(connection: Connection, entries: Sequence[tuple[int, int]]) -> None:
    """Remove the words of entries. entries: numbers, and how many parts each has."""
    rows = [_row(number, part) for number, parts in entries for part in range(parts + 1)]
    if rows:
        connection.execute(_TAKE[connection.dialect.name], rows)


def put_part(
    connection: Connection, number: int, owner: str, part: int, parts: int, words: Sequence[str] | None
) -> bool:
    """Put the part that is owed next into the index, or with `None` take down that there are no more.

    parts: how many there are then. `False`, and nothing happens, where another is owed by now, or the entry
    has gone or is another owner's.
    """
    values = {"was": part, "becomes": None if words is None else part + 1, "count": parts}
    if not connection.execute(_HAVE, {"entry": number, "owner": owner, **values}).rowcount:
        return False
    if words is not None:
        row = _row(number, part)
        # One may be there already, with another owner's word.
        connection.execute(_TAKE[connection.dialect.name], row)
        row["words"] = " ".join([_owners_word(owner, "parts"), *words])
        connection.execute(_PUT[connection.dialect.name], row)
    return True


def take_part(connection: Connection, number: int, part: int) -> None:
    """Remove the last part of an entry; it is owed from then on."""
    connection.execute(_TAKE[connection.dialect.name], _row(number, part))
    last = update(SearchEntryRow).where(SearchEntryRow.number == number, SearchEntryRow.parts == part)
    connection.execute(last.values(parts=part - 1, owed=part))


def owe(connection: Connection) -> None:
    """Tell that words of entries that were added on this connection are owed; see `owing`."""
    connection.info[_OWING] = True


def owing(connection: Connection) -> bool:
    """Whether what was done on this connection since this was last asked left words of texts owed."""
    return connection.info.pop(_OWING, None) is not None


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
    connection: Connection, owners: Sequence[str], terms: Sequence[Term]
) -> Generator[Row[*tuple[Any, ...]], None, None]:
    """Entries (number, conversation_id, message_id) of living things of these owners, newest first, that hold
    every word of the terms. The terms must still be looked for in the text."""
    if not terms or not owners:
        return
    kind = connection.dialect.name
    words = query_words(terms)
    values = {"words": match(kind, owners, words)}
    with connection.execute(FIND[kind], values, execution_options={"stream_results": True}) as usual:
        numbers = merge(usual.scalars(), _find_in_parts(connection, owners, words), reverse=True)
        while some := list(islice(numbers, _AT_ONCE)):
            yield from connection.execute(_LIVING, {"numbers": some, "owners": owners})


def _find_in_parts(
    connection: Connection, owners: Sequence[str], words: Sequence[tuple[str, bool]]
) -> list[int]:
    """Numbers of entries that have each word in one part or another, newest first."""
    kind = connection.dialect.name
    numbers: set[int] | None = None
    for asked in [[word] for word in words] or [[]]:
        found = connection.scalars(_WITH_PART[kind], {"words": match(kind, owners, asked, "parts")})
        numbers = set(found) if numbers is None else numbers.intersection(found)
        if not numbers:
            return []
    return sorted(numbers or (), reverse=True)


def misses_words(connection: Connection, owners: Sequence[str]) -> bool:
    """Whether words of any text of these owners are still owed."""
    return connection.scalar(_OWED_TO, {"owners": owners}) is not None


def match(kind: str, owners: Sequence[str], words: Sequence[tuple[str, bool]], what: str = "owner") -> str:
    """These words, and that of one of the owners, in the query language of this kind of database."""
    # No word holds a sign of ASCII but that of owners, so quoting is all the escaping there is.
    if kind == "sqlite":
        some = " OR ".join(f'"{_owners_word(owner, what)}"' for owner in owners)
        return " AND ".join([f"({some})", *(f'"{word}"{"*" * prefix}' for word, prefix in words)])
    some = " | ".join(f"'{_owners_word(owner, what)}'" for owner in owners)
    return " & ".join([f"({some})", *(f"'{word}'{':*' * prefix}" for word, prefix in words)])


def _owners_word(owner: str, what: str = "owner") -> str:
    return f"{what}_{owner.replace('-', '')}"


def _row(number: int, part: int) -> dict[str, Any]:
    """Where a part of an entry is in either kind of database; all of a text that is not long is part 0."""
    row = _PARTS_FROM + (number << 12) + part if part else number
    return {"number": number, "part": part, "row": row}


def words_for(owner: str, content: str) -> str | None:
    """What the index holds of a text of this owner: nothing of one without a word, `None` of a long one."""
    if comes_in_parts(len(content)):
        return None
    words = index_words(content)
    return " ".join([_owners_word(owner), *words]) if words else ""


def comes_in_parts(chars: int) -> bool:
    """Whether a text of this many characters would block the writer for too long."""
    return chars > LONG_CHARS


def hand_over(
    connection: Connection, words: Sequence[tuple[int, str | None]], owner: str, giver: str
) -> None:
    """Make entries of `giver` this owner's. words: by number, what `words_for` made of their texts; an entry
    that is not the giver's stays."""
    numbers = [number for number, _ in words]
    moved = set(
        connection.scalars(
            update(SearchEntryRow)
            .where(SearchEntryRow.number.in_(numbers), SearchEntryRow.owner_id == giver)
            .values(owner_id=owner, owed=None)
            .returning(SearchEntryRow.number)
        )
    )
    remove_words(connection, [(number, 0) for number in sorted(moved)])
    for number, of_text in words:
        if number in moved:
            _put(connection, number, of_text)


def _replace(connection: Connection, entry: Row[*tuple[Any, ...]] | None, content: str) -> None:
    if entry is not None:
        if entry.owed is not None:
            connection.execute(_SETTLE, {"entry": entry.number})
        connection.execute(_TAKE[connection.dialect.name], _row(entry.number, 0))
        _put(connection, entry.number, words_for(entry.owner_id, content))


def _put(connection: Connection, number: int, words: str | None) -> None:
    """Put what `words_for` made of the text of an entry into the index; what it left out is owed."""
    if words is None:
        connection.execute(_OWE, {"entry": number})
        owe(connection)
    elif words:
        connection.execute(_PUT[connection.dialect.name], _row(number, 0) | {"words": words})
