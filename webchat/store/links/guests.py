"""Verbs on what guests tell: consent, answers to a link's questions, and codes to continue elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from webchat.store.cursors import place, read_place
from webchat.store.database.codec import clean, load_question, load_terms, now
from webchat.store.database.tables.base import DISCARDED
from webchat.store.database.tables.conversations import ConversationRow
from webchat.store.database.tables.links import AnswerRow, ConsentRow, HandoverRow, LinkRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import Database, chore, reads, writes
from webchat.store.errors import ConsentChanged, ConsentNeeded, NotFound
from webchat.store.link_records import LinkAnswer, Question
from webchat.store.links.links import has_consented
from webchat.store.links.owners import read_owner
from webchat.store.records import Owner, Page

TRIM_ROWS = 500
EXPIRED_ROWS = 50


class GuestVerbs(Database):
    """What people who came by a link tell, beside their chats."""

    @reads
    def consented(self, connection: Connection, owner_id: str) -> int:
        """The newest version of their link's consent sentence that the guest accepted; 0 for none."""
        newest = select(func.max(ConsentRow.version)).where(ConsentRow.owner_id == owner_id)
        return connection.scalar(newest) or 0

    @writes
    def consent(self, connection: Connection, owner_id: str, version: int) -> None:
        """Accept the current consent sentence of the guest's link. Raises NotFound, and ConsentChanged for
        another version."""
        terms = read_owner(connection, owner_id).terms
        if not terms.consent or version != terms.consent_version:
            raise ConsentChanged
        accepted = {"owner_id": owner_id, "version": version, "text": terms.consent, "at": now()}
        self.dialect.insert_once(connection, ConsentRow, accepted)

    @reads
    def answers(self, connection: Connection, owner_id: str) -> list[LinkAnswer]:
        """The guest's answers to their link's questions, also to those it no longer asks."""
        rows = connection.execute(
            select(*AnswerRow.__table__.columns)
            .where(AnswerRow.owner_id == owner_id)
            .order_by(AnswerRow.question_id)
        )
        return [_answer(row) for row in rows]

    @writes
    def keep_answers(
        self, connection: Connection, owner_id: str, given: Mapping[str, tuple[Question, str | int | None]]
    ) -> None:
        """Keep answers in place of earlier ones; `None` takes one back. given: by the question's id. Raises
        NotFound for an unknown owner, and ConsentNeeded as for their turns."""
        terms = read_owner(connection, owner_id).terms
        if terms.consent and not has_consented(connection, owner_id, terms.consent_version):
            raise ConsentNeeded
        gone = delete(AnswerRow).where(AnswerRow.owner_id == owner_id, AnswerRow.question_id.in_(list(given)))
        connection.execute(gone)
        rows = [
            {
                "owner_id": owner_id,
                "question_id": id,
                "question": asdict(question),
                "number": value if isinstance(value, int) else None,
                "text": clean(value) if isinstance(value, str) else None,
                "at": now(),
            }
            for id, (question, value) in given.items()
            if value is not None
        ]
        if not rows:
            return
        try:
            connection.execute(insert(AnswerRow), rows)
        except IntegrityError as error:
            raise NotFound("owner") from error  # deleted meanwhile

    @reads
    def link_answers(
        self, connection: Connection, link_id: str, *, cursor: str | None = None, limit: int = 200
    ) -> Page[LinkAnswer]:
        """What the people of a link answered, by person. For operators: no owner is checked. Raises
        BadCursor."""
        query = (
            select(*AnswerRow.__table__.columns)
            .join(OwnerRow, OwnerRow.id == AnswerRow.owner_id)
            .where(OwnerRow.link_id == link_id)
            .order_by(AnswerRow.owner_id, AnswerRow.question_id)
        )
        if cursor is not None:
            owner_id, _, question_id = read_place(cursor)[2].rpartition("_")
            query = query.where(tuple_(AnswerRow.owner_id, AnswerRow.question_id) > (owner_id, question_id))
        rows = connection.execute(query.limit(limit + 1)).all()
        last = rows[limit - 1] if len(rows) > limit else None
        more = None if last is None else place(last.at, f"{last.owner_id}_{last.question_id}")
        return Page(tuple(_answer(row) for row in rows[:limit]), more)

    @writes
    def add_handover(
        self, connection: Connection, owner_id: str, code_hash: str, expires_at: datetime, most: int
    ) -> None:
        """Keep the hash of a code; of a guest's older codes, only the newest `most - 1` stay valid."""
        mine = select(HandoverRow.code_hash).where(HandoverRow.owner_id == owner_id)
        # SQLite takes an offset only with a limit.
        older = mine.order_by(HandoverRow.created_at.desc()).limit(1_000).offset(most - 1)
        connection.execute(delete(HandoverRow).where(HandoverRow.code_hash.in_(older)))
        connection.execute(
            insert(HandoverRow).values(
                code_hash=code_hash, owner_id=owner_id, created_at=now(), expires_at=expires_at
            )
        )

    @reads
    def handover(self, connection: Connection, code_hash: str) -> Owner:
        """Who continues elsewhere with this code, which stays valid. Raises NotFound."""
        return read_owner(connection, _handed_over(connection, code_hash))

    @writes
    def take_handover(self, connection: Connection, code_hash: str) -> Owner:
        """The same, and the code is used up: only one of several callers gets it. Raises NotFound."""
        owner = read_owner(connection, _handed_over(connection, code_hash))
        gone = delete(HandoverRow).where(HandoverRow.code_hash == code_hash)
        if not connection.execute(gone).rowcount:
            raise NotFound("code")
        return owner

    @writes
    def trim_handovers(self, connection: Connection) -> int:
        """Delete codes whose time is over, `TRIM_ROWS` at a time; returns how many."""
        over = select(HandoverRow.code_hash).where(HandoverRow.expires_at < now()).limit(TRIM_ROWS)
        return connection.execute(
            delete(HandoverRow).where(HandoverRow.code_hash.in_(over.scalar_subquery()))
        ).rowcount

    @chore
    def expire_chats(self, moment: datetime) -> int:
        """Give up chats that were not changed for as long as their link keeps them; returns how many. The
        next purge deletes them. They are found by reading: the writer is held for `EXPIRED_ROWS` at most."""
        return sum(self.slices(self._expiries(moment)))

    def _expiries(self, moment: datetime) -> Iterator[Callable[[], int]]:
        for link_id, before in self._keeping(moment):
            while ids := self._expired(link_id, before):
                yield partial(self._give_up, ids, before)

    @reads
    def _keeping(self, connection: Connection, moment: datetime) -> list[tuple[str, datetime]]:
        """The links that keep chats for some time, and since when a chat has to have been changed."""
        links = connection.execute(select(LinkRow.id, LinkRow.terms).where(LinkRow.terms.is_not(None)))
        days = ((link_id, load_terms(stored).retention_days) for link_id, stored in links)
        return [(link_id, moment - timedelta(days=kept)) for link_id, kept in days if kept is not None]

    @reads
    def _expired(self, connection: Connection, link_id: str, before: datetime) -> list[str]:
        old = (
            select(ConversationRow.id)
            .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
            .where(OwnerRow.link_id == link_id, *_unchanged(before))
            .limit(EXPIRED_ROWS)
        )
        return list(connection.scalars(old))

    @writes
    def _give_up(self, connection: Connection, ids: Sequence[str], before: datetime) -> int:
        """Those of the chats that nobody has changed since they were found."""
        those = update(ConversationRow).where(ConversationRow.id.in_(ids), *_unchanged(before))
        return connection.execute(those.values(deleted_at=DISCARDED)).rowcount


def _unchanged(before: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of a chat: not changed since, and not given up already."""
    return ConversationRow.updated_at < before, ConversationRow.deleted_at.is_distinct_from(DISCARDED)


def _handed_over(connection: Connection, code_hash: str) -> str:
    owner_id = connection.scalar(
        select(HandoverRow.owner_id).where(HandoverRow.code_hash == code_hash, HandoverRow.expires_at > now())
    )
    if owner_id is None:
        raise NotFound("code")
    return str(owner_id)


def _answer(row: Any) -> LinkAnswer:
    value = row.number if row.text is None else row.text
    return LinkAnswer(row.owner_id, load_question(row.question), value, row.at)
