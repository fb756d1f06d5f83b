"""The search verb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from webchat.store.cursors import read_number
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.transactions import Database, heavy
from webchat.store.database.until import Until
from webchat.store.records import Found, SearchHit
from webchat.store.search.index import CONTENT, find, misses_words
from webchat.store.search.likeness import Span
from webchat.store.search.words import Term, matches, query_terms

SNIPPET_CHARS = 160
MOST_CHARS = 10_000_000
"""Characters of messages read for one answer: a few seconds of work, and far more than a typical search
needs, since the index names the messages that contain the words."""

MOST_ENTRIES = 50_000
"""Index entries, messages and titles, examined for one answer."""

_AT_ONCE = 10
"""Messages whose texts are read at once: each may be long."""

_TOP = 2**62


_SOURCES = (
    select(
        SearchEntryRow.number,
        SearchEntryRow.conversation_id,
        SearchEntryRow.message_id,
        ConversationRow.title,
        CONTENT.label("text"),
        func.coalesce(MessageRow.created_at, ConversationRow.updated_at).label("at"),
    )
    .join(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
    .outerjoin(MessageRow, MessageRow.id == SearchEntryRow.message_id)
    .where(SearchEntryRow.number.in_(bindparam("numbers", expanding=True)))
    .order_by(SearchEntryRow.number.desc())
)

_Source = Row[*tuple[Any, ...]]
_Match = tuple[_Source, Sequence[Span]]
"""An entry with its text, and where in it the terms are."""


class SearchVerbs(Database):
    """Search over titles and messages."""

    @heavy
    def search(
        self,
        connection: Connection,
        until: Until,
        owner: str,
        query: str,
        *,
        limit: int = 30,
        cursor: str | None = None,
    ) -> Found:
        """Conversations that hold all words of the query in one message or in the title, alike
        (`likeness.fold`) and anywhere in it, words between quotes in a row. Each conversation once, by its
        newest match, newest first. A query without words finds nothing. Not `whole` where it was too much
        work to go on, or not all is in the index yet. Raises BadCursor.
        """
        return search_of(self, connection, until, [owner], query, limit, cursor)


def search_of(
    database: Database,
    connection: Connection,
    until: Until,
    owners: Sequence[str],
    query: str,
    limit: int,
    cursor: str | None,
) -> Found:
    """The same for what several owners have."""
    terms = query_terms(query)
    last = _TOP if cursor is None else read_number(cursor)
    hits: list[tuple[int, SearchHit]] = []
    try:
        with closing(find(connection, owners, terms)) as entries:
            for source, ranges in _matches(connection, until, terms, entries):
                # What earlier pages showed is gone through again, so that no conversation comes twice.
                if source.number < last:
                    hits.append((source.number, _hit(source, ranges)))
                if len(hits) > limit:
                    break
        whole = not misses_words(connection, owners)
    except _TooMuch:
        whole = False
    except DBAPIError as error:
        if not database.dialect.ended(error):
            raise
        whole = False
    items = tuple(hit for _, hit in hits[:limit])
    return Found(items, str(hits[limit - 1][0]) if len(hits) > limit else None, whole)


class _TooMuch(Exception):
    """There is more to search than one answer allows."""


def _matches(
    connection: Connection, until: Until, terms: Sequence[Term], entries: Iterator[Row[*tuple[Any, ...]]]
) -> Iterator[_Match]:
    """The newest match of each conversation, newest first. Raises `_TooMuch`."""
    left = MOST_CHARS
    seen: set[str] = set()
    looked_at = islice(entries, MOST_ENTRIES)
    others = (entry.number for entry in looked_at if entry.conversation_id not in seen)
    while numbers := list(islice(others, _AT_ONCE)):
        for source in connection.execute(_SOURCES, {"numbers": numbers}).all():
            if source.conversation_id in seen:
                continue
            left -= len(source.text)
            if left < 0 or until.over:
                raise _TooMuch
            if ranges := matches(terms, source.text, SNIPPET_CHARS):
                seen.add(source.conversation_id)
                yield source, ranges
    if next(entries, None) is not None:
        raise _TooMuch


def _hit(source: _Source, ranges: Sequence[Span]) -> SearchHit:
    snippet, shown = _snippet(source.text, ranges)
    return SearchHit(source.conversation_id, source.message_id, source.title, snippet, shown, source.at)


def _snippet(text: str, ranges: Sequence[Span]) -> tuple[str, tuple[Span, ...]]:
    """A window of the text around the first match, on one line, and the matches within it."""
    first = ranges[0][0] if ranges else 0
    start = (
        0
        if len(text) <= SNIPPET_CHARS
        else max(0, min(first - SNIPPET_CHARS // 4, len(text) - SNIPPET_CHARS))
    )
    end = min(len(text), start + SNIPPET_CHARS)
    before, after = "…" * (start > 0), "…" * (end < len(text))
    # One character for one, so that the ranges stay true.
    window = "".join(" " if char.isspace() else char for char in text[start:end])
    shift = len(before) - start
    return f"{before}{window}{after}", tuple(
        (max(a, start) + shift, min(b, end) + shift) for a, b in ranges if a < end and b > start
    )
