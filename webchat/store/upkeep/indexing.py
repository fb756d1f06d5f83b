"""Adds owed words to the search index, a few at a time so that no reply waits for them.

A long text is stored with its words owed, and an update that changes how words are formed leaves those of all
texts owed. They are computed alongside the writer, newest first, and added one part per transaction, or those
of a few short texts. What is still owed is stored in the database, so after any interruption the next process
continues. Until all are added, a search may miss the text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import StoreUnavailable
from webchat.store.search.index import CONTENT, MOST_PARTS, comes_in_parts, owing, put_part, put_rows
from webchat.store.search.words import index_parts
from webchat.store.upkeep.slicing import SLICE_ROWS, slices_of

_OWED = (
    select(SearchEntryRow.number)
    .where(SearchEntryRow.owed.is_not(None), SearchEntryRow.number < bindparam("below"))
    .order_by(SearchEntryRow.number.desc())
    .limit(SLICE_ROWS)
)
_BEHIND = 2**63 - 1
"""All numbers."""
_OWING = (
    select(
        SearchEntryRow.number,
        SearchEntryRow.owner_id,
        SearchEntryRow.owed,
        SearchEntryRow.parts,
        MessageRow.deleted_at,
        ConversationRow.deleted_at.label("all_deleted_at"),
        func.length(CONTENT).label("chars"),
    )
    .outerjoin(MessageRow, MessageRow.id == SearchEntryRow.message_id)
    .join(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
    .where(SearchEntryRow.number.in_(bindparam("numbers", expanding=True)), SearchEntryRow.owed.is_not(None))
    .order_by(SearchEntryRow.number.desc())
)
_NEVER = datetime.max.replace(tzinfo=UTC)

_log = logging.getLogger(__name__)


class IndexingVerbs(Database):
    """Indexing of owed words."""

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        with super().transaction(write=write) as connection:
            owing(connection)  # of a transaction that was rolled back
            yield connection
            more = owing(connection)
        if more:
            self.index_soon()

    def index_soon(self) -> None:
        """Have owed words added to the index, alongside the writer."""
        if not self.closing:
            self._threads["index"].submit(self._index)

    def _index(self) -> None:
        try:
            with self.dialect.one_at_a_time("index"):
                self.index_owed()
        except StoreUnavailable:  # still owed
            pass
        except Exception:
            # It is still owed: the next long text, or the next start, tries again.
            _log.exception("adding words to the search index failed")

    def index_owed(self) -> None:
        """Add all owed words to the index, except for data a purge has begun to delete. Ends early if the
        database is closed."""
        while self._index_once():
            pass

    def _index_once(self) -> bool:
        """From the newest entry to the oldest. Returns whether there was anything to add; if so, there may be
        more by now."""
        below, found = _BEHIND, False
        while numbers := self._owed_entries(below):
            below = numbers[-1]
            entries = [entry for entry in self._owing_entries(numbers) if not self._is_going(entry)]
            found = found or bool(entries)
            for _ in self.slices(self._missing(entries)):
                pass
            if self.closing:
                return False
        return found

    index_owed.threads = "index"  # type: ignore[attr-defined]

    @reads
    def _owed_entries(self, connection: Connection, below: int) -> Sequence[int]:
        """A page of them, newest first."""
        return connection.scalars(_OWED, {"below": below}).all()

    @reads
    def _owing_entries(self, connection: Connection, numbers: Sequence[int]) -> Sequence[Row[Any]]:
        return connection.execute(_OWING, {"numbers": numbers}).all()

    @reads
    def _text_of(self, connection: Connection, number: int) -> str:
        those = SearchEntryRow.number == number
        return connection.scalar(select(MessageRow.text).join(SearchEntryRow).where(those)) or ""

    def _is_going(self, entry: Row[Any]) -> bool:
        return min(entry.deleted_at or _NEVER, entry.all_deleted_at or _NEVER) < self.purged_before

    def _missing(self, entries: Sequence[Row[Any]]) -> Iterator[Callable[[], bool]]:
        in_rows = [(entry.number, entry.chars) for entry in entries if not comes_in_parts(entry.chars)]
        for numbers in slices_of(in_rows):
            yield partial(self._put_rows, numbers)
        for entry in entries:
            if comes_in_parts(entry.chars):
                yield from self._missing_parts(entry)

    def _missing_parts(self, entry: Row[Any]) -> Iterator[Callable[[], bool]]:
        """Put in part by part, until one was not the one that was owed."""
        done = True

        def put(part: int, parts: int, words: list[str] | None) -> bool:
            nonlocal done
            done = self._put_part(entry.number, entry.owner_id, part, parts, words)
            return done

        last = 0
        for last, words in enumerate(islice(index_parts(self._text_of(entry.number)), MOST_PARTS), 1):
            if last >= entry.owed:
                yield partial(put, last, max(last, entry.parts), words)
            if not done:
                return
        yield partial(put, max(last + 1, entry.owed), max(last, entry.parts), None)

    @writes
    def _put_rows(self, connection: Connection, numbers: Sequence[int]) -> bool:
        put_rows(connection, numbers)
        return True

    @writes
    def _put_part(
        self,
        connection: Connection,
        number: int,
        owner: str,
        part: int,
        parts: int,
        words: list[str] | None,
    ) -> bool:
        return put_part(connection, number, owner, part, parts, words)
