"""The slices in which shares are deleted permanently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, and_, delete, func, or_, select

from webchat.store.database.dialect import Debt
from webchat.store.database.tables.sharing import ShareMediaRow, ShareMessageRow, ShareRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.upkeep.slicing import SLICE_ROWS, slices_of


class ShareRemoval(Database):
    """Shares that ended, and shares of conversations that are being deleted."""

    @reads
    def _ended_shares(self, connection: Connection, before: datetime) -> list[str]:
        over = or_(ShareRow.ended_at < before, ShareRow.expires_at < before)
        return list(connection.scalars(select(ShareRow.id).where(over).limit(SLICE_ROWS)))

    @reads
    def _shares_of(self, connection: Connection, conversations: Sequence[str]) -> list[str]:
        query = select(ShareRow.id).where(ShareRow.conversation_id.in_(conversations))
        return list(connection.scalars(query.limit(SLICE_ROWS)))

    def _shares(self, shares: Sequence[str]) -> Iterator[Callable[[], int]]:
        """Everything of these shares, which count for nothing among what a purge deletes."""
        for media in self._shared_parts(shares):
            yield partial(self._take_shared_media, *media)
        for numbers in slices_of(self._shared_sizes(shares)):
            yield partial(self._take_shared, numbers)
        yield partial(self._take_shares, shares)

    @reads
    def _shared_parts(self, connection: Connection, shares: Sequence[str]) -> list[tuple[str, str, int]]:
        query = select(ShareMediaRow.share_id, ShareMediaRow.name, ShareMediaRow.part)
        return [(*row,) for row in connection.execute(query.where(ShareMediaRow.share_id.in_(shares)))]

    @reads
    def _shared_sizes(
        self, connection: Connection, shares: Sequence[str]
    ) -> list[tuple[tuple[str, int], int]]:
        size = func.length(ShareMessageRow.text) + func.length(ShareMessageRow.reasoning)
        query = select(ShareMessageRow.share_id, ShareMessageRow.number, size)
        rows = connection.execute(query.where(ShareMessageRow.share_id.in_(shares)))
        return [((share, number), chars) for share, number, chars in rows]

    @writes
    def _take_shared_media(self, connection: Connection, share: str, name: str, part: int) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        row = ShareMediaRow
        connection.execute(delete(row).where(row.share_id == share, row.name == name, row.part == part))
        return 0

    @writes
    def _take_shared(self, connection: Connection, keys: Sequence[tuple[str, int]]) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        row = ShareMessageRow
        those = or_(*(and_(row.share_id == share, row.number == number) for share, number in keys))
        connection.execute(delete(row).where(those))
        return 0

    @writes
    def _take_shares(self, connection: Connection, shares: Sequence[str]) -> int:
        # One that was being made meanwhile may have got more since: it waits for the next purge.
        empty = ~select(ShareMessageRow.share_id).where(ShareMessageRow.share_id == ShareRow.id).exists()
        empty &= ~select(ShareMediaRow.share_id).where(ShareMediaRow.share_id == ShareRow.id).exists()
        connection.execute(delete(ShareRow).where(ShareRow.id.in_(shares), empty))
        return 0
