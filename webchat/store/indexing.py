"""Putting the words of long texts into the search index, in parts so small that no reply waits for them.

A text is stored with its words owed. They are made beside the writer and put in one part a transaction; what
is still owed is in the database, so whatever ends the process, the next one goes on. Until all are in, a
search may miss the text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from webchat.store.database import Database, reads, writes
from webchat.store.search_index import MOST_PARTS, owing, put_part
from webchat.store.tables import ConversationRow, MessageRow, SearchEntryRow
from webchat.store.words import index_parts

_OWED = select(SearchEntryRow.number).where(SearchEntryRow.owed.is_not(None))
_ENTRY = (
    select(
        SearchEntryRow.number,
        SearchEntryRow.owner_id,
        SearchEntryRow.owed,
        SearchEntryRow.parts,
        MessageRow.text,
        MessageRow.deleted_at,
        ConversationRow.deleted_at.label("all_deleted_at"),
    )
    .join(MessageRow, MessageRow.id == SearchEntryRow.message_id)
    .join(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
    .where(SearchEntryRow.number == bindparam("entry"), SearchEntryRow.owed.is_not(None))
)
_NEVER = datetime.max.replace(tzinfo=UTC)

_log = logging.getLogger(__name__)


class IndexingVerbs(Database):
    """What the index owes."""

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        with super().transaction(write=write) as connection:
            owing(connection)  # of a transaction that was rolled back
            yield connection
            more = owing(connection)
        if more:
            self.index_soon()

    def index_soon(self) -> None:
        """Have what is owed put into the index, beside the writer."""
        if not self.closing:
            self._threads["index"].submit(self._index)

    def _index(self) -> None:
        try:
            self.index_owed()
        except Exception:
            # It is still owed: the next long text, or the next start, tries again.
            _log.exception("the words of a long text were not put into the search index")

    def index_owed(self) -> None:
        """Put all that is owed into the index; what a purge has begun to take is left to it. Ends early when
        the database is closed."""
        left: set[int] = set()
        while numbers := self._owed_entries() - left:
            for number in sorted(numbers):
                entry = self._owing_entry(number)
                if entry is None or self._is_going(entry):
                    left.add(number)
                    continue
                for _ in self.slices(self._missing(entry)):
                    pass
                if self.closing:
                    return

    index_owed.threads = "index"  # type: ignore[attr-defined]

    @reads
    def _owed_entries(self, connection: Connection) -> set[int]:
        return set(connection.scalars(_OWED))

    @reads
    def _owing_entry(self, connection: Connection, number: int) -> Row[*tuple[Any, ...]] | None:
        return connection.execute(_ENTRY, {"entry": number}).first()

    def _is_going(self, entry: Row[*tuple[Any, ...]]) -> bool:
        return min(entry.deleted_at or _NEVER, entry.all_deleted_at or _NEVER) < self.purged_before

    def _missing(self, entry: Row[*tuple[Any, ...]]) -> Iterator[Callable[[], bool]]:
        """Put in part by part, until one was not the one that was owed."""
        done = True

        def put(part: int, parts: int, words: list[str] | None) -> bool:
            nonlocal done
            done = self._put_part(entry.number, entry.owner_id, part, parts, words)
            return done

        last = 0
        for last, words in enumerate(islice(index_parts(entry.text), MOST_PARTS), 1):
            if last >= entry.owed:
                yield partial(put, last, max(last, entry.parts), words)
            if not done:
                return
        yield partial(put, max(last + 1, entry.owed), max(last, entry.parts), None)

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
