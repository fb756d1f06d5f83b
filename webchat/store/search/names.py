"""The search for people and links by what they are called: the words of the texts (`words.py`), in a table.

Names are short and change seldom, so each of their words is a row, on both databases alike. What is asked for
first is walked along the index, newest first; the other words are looked up for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Literal, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, insert, select
from sqlalchemy.orm import aliased

from webchat.store.database.tables.search import NameWordRow
from webchat.store.search.words import Term, index_words, matches, query_words

NameKind = Literal["person", "link"]
MOST_CHARS = 1000
"""Characters of what something is called that are searched."""

_AT_ONCE = 100
_BEYOND = "\U0010ffff"
"""Behind every character that a word begins with."""

T = TypeVar("T")


def put_name(connection: Connection, kind: NameKind, id: str, texts: Iterable[str | None]) -> None:
    """Replace the words of a person or link."""
    forget_name(connection, id)
    words = index_words(named(texts)[:MOST_CHARS])
    if words:
        rows = [{"about_id": id, "word": word, "kind": kind} for word in words]
        connection.execute(insert(NameWordRow), rows)


def forget_name(connection: Connection, id: str) -> None:
    connection.execute(delete(NameWordRow).where(NameWordRow.about_id == id))


def named(texts: Iterable[str | None]) -> str:
    """What somebody or something is called, as one text."""
    return "\n".join(filter(None, texts))


def find_named(
    connection: Connection,
    kind: NameKind,
    terms: Sequence[Term],
    before: str | None,
    limit: int,
    load: Callable[[Sequence[str]], Iterable[tuple[str, T]]],
) -> list[T]:
    """Up to `limit` people or links that are called by all terms, newest first. terms: at least one. before:
    only those with lower ids. load: what they are called and what to return, of these ids, newest first."""
    found: list[T] = []
    while len(found) < limit:
        ids = list(connection.scalars(candidates(kind, terms, before)))
        those = (one for called, one in load(ids) if matches(terms, called, 0) is not None)
        found += islice(those, limit - len(found))
        if len(ids) < _AT_ONCE:
            break
        before = ids[-1]
    return found


def candidates(kind: NameKind, terms: Sequence[Term], before: str | None = None) -> Select[str]:
    """Ids of those that have every word of the terms. The terms must still be looked for in the text."""
    (first, *others) = query_words(terms) or [(terms[0].words[0], True)]
    row = NameWordRow
    query = select(row.about_id).where(row.kind == kind, _is(row, *first))
    for word in others:
        other = aliased(row)
        query = query.where(exists().where(other.about_id == row.about_id, _is(other, *word)))
    if before is not None:
        query = query.where(row.about_id < before)
    return query.distinct().order_by(row.about_id.desc()).limit(_AT_ONCE)


def _is(row: type[NameWordRow], word: str, begins: bool) -> ColumnElement[bool]:
    return and_(row.word >= word, row.word < word + _BEYOND) if begins else row.word == word
