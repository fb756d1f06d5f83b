"""The search verb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from sqlalchemy import Connection, Row, Select, select
from sqlalchemy.exc import DBAPIError

from webchat.store.cursors import read_number
from webchat.store.database import Database, heavy
from webchat.store.records import Found, SearchHit
from webchat.store.search_index import find, find_in_parts
from webchat.store.tables import ConversationRow, MessageRow
from webchat.store.until import Until
from webchat.store.words import Term, matches, query_terms

SNIPPET_CHARS = 160
MOST_CHARS = 10_000_000
"""Of messages that are looked through for one answer: some seconds of work, and far more than a person's
search meets, since the index names the messages that hold the words."""

_CHUNK = 100
_AT_ONCE = 10
"""Messages whose texts are read at once: each may be long."""

_TOP = 2**62


@dataclass(frozen=True, slots=True)
class _Match:
    number: int
    conversation_id: str
    message_id: str | None
    title: str
    text: str
    ranges: Sequence[tuple[int, int]]
    at: datetime


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
        """Conversations that hold all words of the query in one message or in the title, the last word as a
        beginning. Each conversation once, by its newest match, newest first. A query without words finds
        nothing. Not `whole` where it was too much work to go on. Raises BadCursor.
        """
        terms = query_terms(query)
        last = _TOP if cursor is None else read_number(cursor)
        hits: list[tuple[int, SearchHit]] = []
        whole = True
        try:
            for match in _matches(connection, until, owner, terms):
                # What earlier pages showed is gone through again, so that no conversation comes twice.
                if match.number < last:
                    hits.append((match.number, _hit(match)))
                if len(hits) > limit:
                    break
        except _TooMuch:
            whole = False
        except DBAPIError as error:
            if not self.dialect.ended(error):
                raise
            whole = False
        items = tuple(hit for _, hit in hits[:limit])
        return Found(items, str(hits[limit - 1][0]) if len(hits) > limit else None, whole)


class _TooMuch(Exception):
    """There is more to look through than one answer may."""


def _matches(connection: Connection, until: Until, owner: str, terms: list[Term]) -> Iterator[_Match]:
    """The newest match of each conversation, newest first, read in chunks. Raises `_TooMuch`."""
    below, left = _TOP, MOST_CHARS
    seen: set[str] = set()
    apart = find_in_parts(connection, owner, terms)
    while terms:
        entries = _entries(find(connection, owner, terms, below, _CHUNK), apart, below)
        titles = _titles(connection, list({row.conversation_id for row in entries}))
        for row, message in _with_texts(
            connection, [row for row in entries if row.conversation_id not in seen]
        ):
            if row.conversation_id in seen:
                continue
            conversation = titles[row.conversation_id]
            source = message or conversation
            left -= len(source.text)
            if left < 0 or until.over:
                raise _TooMuch
            if (ranges := matches(terms, source.text, SNIPPET_CHARS)) is not None:
                seen.add(row.conversation_id)
                yield _Match(
                    row.number,
                    row.conversation_id,
                    row.message_id,
                    conversation.text,
                    source.text,
                    ranges,
                    source.at,
                )
        if len(entries) < _CHUNK:
            return
        below = entries[-1].number


def _with_texts(
    connection: Connection, entries: Sequence[Row[Any]]
) -> Iterator[tuple[Row[Any], Row[Any] | None]]:
    """Entries with their messages, `None` for titles; a few at a time, as each may be long."""
    for start in range(0, len(entries), _AT_ONCE):
        some = entries[start : start + _AT_ONCE]
        texts = _texts(connection, [row.message_id for row in some if row.message_id is not None])
        yield from ((row, texts[row.message_id] if row.message_id else None) for row in some)


def _entries(usual: Sequence[Row[Any]], apart: Sequence[Row[Any]], below: int) -> list[Row[Any]]:
    """The first chunk of both, newest first."""
    more = islice((row for row in apart if row.number < below), _CHUNK)
    entries = {row.number: row for row in chain(usual, more)}
    return [entries[number] for number in sorted(entries, reverse=True)[:_CHUNK]]


def _texts(connection: Connection, ids: list[str]) -> dict[str, Row[Any]]:
    query = select(MessageRow.id, MessageRow.text, MessageRow.created_at.label("at"))
    return _by_id(connection, query.where(MessageRow.id.in_(ids)))


def _titles(connection: Connection, ids: list[str]) -> dict[str, Row[Any]]:
    query = select(
        ConversationRow.id, ConversationRow.title.label("text"), ConversationRow.updated_at.label("at")
    )
    return _by_id(connection, query.where(ConversationRow.id.in_(ids)))


def _by_id(connection: Connection, query: Select[*tuple[Any, ...]]) -> dict[str, Row[Any]]:
    return {row.id: row for row in connection.execute(query)}


def _hit(match: _Match) -> SearchHit:
    snippet, ranges = _snippet(match.text, match.ranges)
    return SearchHit(match.conversation_id, match.message_id, match.title, snippet, ranges, match.at)


def _snippet(text: str, ranges: Sequence[tuple[int, int]]) -> tuple[str, tuple[tuple[int, int], ...]]:
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
