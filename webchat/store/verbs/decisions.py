"""Verbs on the moderation log. They are for operators: no owner is checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from backends.types import Role
from webchat.store.cursors import read_number
from webchat.store.database.codec import clean
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.operating import DecisionRow
from webchat.store.database.transactions import Database, heavy, reads, writes
from webchat.store.database.until import Until
from webchat.store.decision_records import DecisionCount, DecisionFilter, LoggedDecision, StoredText
from webchat.store.records import Page

MOST_TEXTS = 500
TRIM_ROWS = 500
"""What one trim takes, so that no reply waits long for the writer."""


class DecisionVerbs(Database):
    """The log, its totals, and texts for trying a rule."""

    @writes
    def add_decisions(self, connection: Connection, decisions: Sequence[LoggedDecision]) -> None:
        """Append to the log; numbers are assigned here."""
        rows = [
            {
                name: clean(value) if isinstance(value, str) else value
                for name, value in asdict(decision).items()
                if name != "number"
            }
            for decision in decisions
        ]
        if rows:
            connection.execute(insert(DecisionRow), rows)

    @reads
    def decisions(
        self,
        connection: Connection,
        wanted: DecisionFilter = DecisionFilter(),  # noqa: B008  frozen
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[LoggedDecision]:
        """The newest first. Raises BadCursor."""
        query = select(*DecisionRow.__table__.columns)
        for name, value in asdict(wanted).items():
            if value is not None:
                query = query.where(getattr(DecisionRow, name) == value)
        if cursor is not None:
            query = query.where(DecisionRow.number < read_number(cursor))
        rows = connection.execute(query.order_by(DecisionRow.number.desc()).limit(limit + 1)).all()
        items = tuple(LoggedDecision(**row._mapping) for row in rows[:limit])
        return Page(items, str(items[-1].number) if len(rows) > limit else None)

    @reads
    def decision_counts(self, connection: Connection, since: datetime) -> list[DecisionCount]:
        """How often each rule did what since then, the most frequent first."""
        count = func.count().label("count")
        columns = (DecisionRow.rule, DecisionRow.moderator, DecisionRow.action)
        rows = connection.execute(
            select(*columns, count)
            .where(DecisionRow.at >= since)
            .group_by(*columns)
            .order_by(count.desc(), *columns)
        )
        return [DecisionCount(*row) for row in rows]

    @writes
    def trim_decisions(self, connection: Connection, before: datetime) -> int:
        """Delete decisions older than that moment, `TRIM_ROWS` at a time; returns how many."""
        oldest = (
            select(DecisionRow.number)
            .where(DecisionRow.at < before)
            .order_by(DecisionRow.at)
            .limit(TRIM_ROWS)
            .scalar_subquery()
        )
        return connection.execute(delete(DecisionRow).where(DecisionRow.number.in_(oldest))).rowcount

    @heavy
    def newest_texts(
        self,
        connection: Connection,
        until: Until,
        limit: int,
        roles: Iterable[Role] = ("user", "assistant"),
    ) -> list[StoredText]:
        """The newest messages of everyone, at most `MOST_TEXTS`, newest first. Excludes deleted ones."""
        rows = connection.execute(
            select(
                MessageRow.id.label("message_id"),
                MessageRow.conversation_id,
                ConversationRow.owner_id,
                MessageRow.role,
                MessageRow.text,
                MessageRow.created_at.label("at"),
            )
            .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
            .where(
                MessageRow.role.in_(tuple(roles)),
                MessageRow.text != "",
                MessageRow.deleted_at.is_(None),
                ConversationRow.deleted_at.is_(None),
            )
            .order_by(MessageRow.id.desc())
            .limit(min(limit, MOST_TEXTS))
        )
        return [StoredText(**row._mapping) for row in rows]
