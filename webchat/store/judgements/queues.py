"""Verbs of operators on queues of replies and comparisons, which reviewers judge.

What is put into a queue, and shown from it, are words whose people agreed that they train models. Of people
who sign in that is what they judged themselves, of testers any chat under a sentence that covers training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from webchat.store.cursors import read_id
from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import (
    ComparisonRow,
    JudgementRow,
    QueueItemRow,
    QueueRow,
    ReviewRow,
)
from webchat.store.database.tables.links import ConsentRow, LinkRow
from webchat.store.database.tables.people import OwnerRow, PersonRow
from webchat.store.database.transactions import heavy, long, reads, writes
from webchat.store.database.until import Until
from webchat.store.errors import NotFound
from webchat.store.judgements.reviewing import ReviewVerbs
from webchat.store.judgements.rows import judged_themselves, must_operate
from webchat.store.judgements.snapshots import ENDED_WITH_TEXT
from webchat.store.queue_records import ItemVerdict, NewQueue, Queue, QueueFilter, Verdict
from webchat.store.records import Page

MOST_ITEMS = 5000
"""Items of a queue, the newest that match."""

MOST_REVIEWS = 10
MOST_REVIEWERS = 200
_SLICE = 250
_TIMES = ("since", "before")

_LEFT, _RIGHT = aliased(TurnRow), aliased(TurnRow)
REVIEWERS = ("member", "operator", "local")


class QueueVerbs(ReviewVerbs):
    """Making and closing queues, and what became of them."""

    @long
    def make_queue(self, operator: str, new: NewQueue) -> Queue:
        """A queue of what matches now, at most `MOST_ITEMS`. Raises NotFound for somebody who does not
        operate, and for reviewers who don't sign in; ValueError for too many reviews or reviewers."""
        if not 1 <= new.reviews <= MOST_REVIEWS or len(new.reviewers) > MOST_REVIEWERS:
            raise ValueError("too many reviews, or reviewers")
        self._check_operator(operator)
        found = self._matching(new)
        id = self.in_turn(self._begin_queue, new)
        parts = (found[at : at + _SLICE] for at in range(0, len(found), _SLICE))
        for _ in self.slices(partial(self._put_in, id, new, part) for part in parts):
            pass
        return self._queue(id)

    @reads
    def _matching(self, connection: Connection, new: NewQueue) -> Sequence[str]:
        query = _replies(new.wanted) if new.kind == "replies" else _comparisons(new.wanted)
        return list(connection.scalars(query.limit(MOST_ITEMS)))

    @writes
    def _begin_queue(self, connection: Connection, new: NewQueue) -> str:
        known = select(OwnerRow.id).where(OwnerRow.id.in_(new.reviewers), OwnerRow.kind.in_(REVIEWERS))
        if set(connection.scalars(known)) != set(new.reviewers):
            raise NotFound("person")
        wanted = asdict(new.wanted)
        times = {name: wanted[name].isoformat() for name in _TIMES if wanted[name]}
        id = new_id()
        connection.execute(
            insert(QueueRow).values(
                id=id,
                name=clean(new.name),
                kind=new.kind,
                wanted={**wanted, **times},
                reviews=new.reviews,
                reviewers=list(dict.fromkeys(new.reviewers)),
                created_at=now(),
            )
        )
        return id

    @writes
    def _put_in(self, connection: Connection, id: str, new: NewQueue, found: Sequence[str]) -> None:
        column, table = _reviewed(new.kind)
        # Not what was deleted since it was looked for.
        here = set(connection.scalars(select(table.id).where(table.id.in_(found))))
        rows = [{"id": new_id(), "queue_id": id, column: one, "given": 0} for one in found if one in here]
        if rows:
            connection.execute(insert(QueueItemRow), rows)

    @reads
    def _queue(self, connection: Connection, id: str) -> Queue:
        return _load(connection.execute(_queues().where(QueueRow.id == id)).one())

    @reads
    def queues(
        self, connection: Connection, operator: str, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Queue]:
        """The newest first. Raises BadCursor; NotFound for somebody who does not operate."""
        must_operate(connection, operator)
        query = _queues().order_by(QueueRow.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(QueueRow.id < read_id(cursor))
        found = tuple(map(_load, connection.execute(query)))
        return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)

    @writes
    def close_queue(self, connection: Connection, operator: str, id: str) -> None:
        """Ask nobody any more; what was reviewed stays. Raises NotFound."""
        must_operate(connection, operator)
        those = update(QueueRow).where(QueueRow.id == id)
        if not connection.execute(those.values(closed_at=func.coalesce(QueueRow.closed_at, now()))).rowcount:
            raise NotFound("queue")

    @heavy
    def queue_verdicts(
        self, connection: Connection, _until: Until, operator: str, id: str
    ) -> list[ItemVerdict]:
        """All verdicts in a queue but skips. Raises NotFound for somebody who does not operate."""
        must_operate(connection, operator)
        given = (ReviewRow.queue_id == id, ReviewRow.verdict.not_in(("", "skip")))
        columns = (ReviewRow.reviewer_id, ReviewRow.item_id, ReviewRow.verdict)
        rows = connection.execute(select(*columns).where(*given))
        return [ItemVerdict(reviewer, item, cast("Verdict", verdict)) for reviewer, item, verdict in rows]


def not_deleted(*ids: object) -> ColumnElement[bool]:
    """Whether none of these messages is in the trash."""
    gone = aliased(MessageRow)
    return ~exists().where(gone.id.in_(ids), gone.deleted_at.is_not(None))


def shown_to_reviewers(judged: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether this is a person's chat, and they agreed: in a query with the conversation, its owner, person
    and link. judged: whether they judged this themselves."""
    now_asked = LinkRow.terms["consent_version"].as_integer()
    before = exists().where(
        ConsentRow.owner_id == OwnerRow.id,
        ConsentRow.version == now_asked,
        ConsentRow.at <= ConversationRow.created_at,
    )
    covers = and_(LinkRow.terms["consent"].as_string() != "", LinkRow.terms["training"].as_boolean())
    return and_(
        ConversationRow.deleted_at.is_(None),
        ConversationRow.kind == "chat",
        or_(
            and_(OwnerRow.kind.in_(("local", "operator")), judged),
            and_(OwnerRow.kind == "member", PersonRow.trains, judged),
            and_(OwnerRow.kind == "guest", covers, before),
        ),
    )


def with_owner(query: Select[Any]) -> Select[Any]:
    """A query on conversations, with what `shown_to_reviewers` asks for."""
    return (
        query.join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
        .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
        .outerjoin(LinkRow, LinkRow.id == OwnerRow.link_id)
    )


def _replies(wanted: QueueFilter) -> Select[Any]:
    """Without those made by "Continue", which no file of training data can express."""
    query = (
        with_owner(
            select(MessageRow.id)
            .join(TurnRow, TurnRow.message_id == MessageRow.id)
            .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        )
        .where(
            TurnRow.state.in_(ENDED_WITH_TEXT),
            TurnRow.compared_in.is_(None),
            MessageRow.text != "",
            MessageRow.continues.is_(None),
            MessageRow.deleted_at.is_(None),
            shown_to_reviewers(judged_themselves()),
        )
        .order_by(MessageRow.id.desc())
    )
    if wanted.model is not None:
        query = query.where(TurnRow.model == wanted.model)
    if wanted.judged == "unjudged":
        query = query.where(~exists().where(JudgementRow.message_id == MessageRow.id))
    elif wanted.judged != "any":
        query = query.where(judged_themselves(1 if wanted.judged == "good" else -1))
    return _within(query, wanted, MessageRow.created_at)


def _comparisons(wanted: QueueFilter) -> Select[Any]:
    """Those of their own chats; what reviewers made of them are comparisons, too."""
    query = (
        with_owner(
            select(ComparisonRow.id)
            .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
            .join(_LEFT, _LEFT.message_id == ComparisonRow.left_id)
            .join(_RIGHT, _RIGHT.message_id == ComparisonRow.right_id)
        )
        .where(
            ComparisonRow.owner_id == ConversationRow.owner_id,
            ComparisonRow.closed_at.is_not(None),
            _LEFT.state.in_(ENDED_WITH_TEXT),
            _RIGHT.state.in_(ENDED_WITH_TEXT),
            not_deleted(ComparisonRow.left_id, ComparisonRow.right_id, ComparisonRow.asked_id),
            shown_to_reviewers(ComparisonRow.voted_at.is_not(None)),
        )
        .order_by(ComparisonRow.id.desc())
    )
    if wanted.model is not None:
        sides = (ComparisonRow.left_model, ComparisonRow.right_model)
        query = query.where(or_(*(side == wanted.model for side in sides)))
    if wanted.judged == "unjudged":
        query = query.where(ComparisonRow.voted_at.is_(None))
    return _within(query, wanted, ComparisonRow.at)


def _within(query: Select[Any], wanted: QueueFilter, at: Any) -> Select[Any]:
    if wanted.link_id is not None:
        query = query.where(OwnerRow.link_id == wanted.link_id)
    if wanted.since is not None:
        query = query.where(at >= wanted.since)
    if wanted.before is not None:
        query = query.where(at < wanted.before)
    return query


def _reviewed(kind: str) -> tuple[str, Any]:
    return ("message_id", MessageRow) if kind == "replies" else ("comparison_id", ComparisonRow)


def _queues() -> Select[Any]:
    mine = QueueItemRow.queue_id == QueueRow.id
    given = func.coalesce(func.sum(QueueItemRow.given), 0)
    return select(
        *QueueRow.__table__.columns,
        select(func.count()).where(mine).scalar_subquery().label("items"),
        select(given).where(mine).correlate(QueueRow).scalar_subquery().label("given"),
    )


def _load(row: Row[Any]) -> Queue:
    times = {name: datetime.fromisoformat(text) for name in _TIMES if (text := row.wanted[name])}
    wanted = QueueFilter(**{**row.wanted, **times})
    return Queue(
        row.id,
        row.name,
        row.kind,
        wanted,
        row.reviews,
        tuple(row.reviewers),
        row.created_at,
        row.closed_at,
        row.items,
        row.given,
    )
