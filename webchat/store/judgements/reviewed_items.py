"""Items of queues as reviewers get them: which is next, how long it is reserved, and what is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from webchat.store.database.tables.base import UtcDateTime
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementRow, QueueItemRow, ReviewRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.judgement_records import Judged
from webchat.store.judgements.queues import REVIEWERS, not_deleted, shown_to_reviewers, with_owner
from webchat.store.judgements.rows import judged_themselves
from webchat.store.judgements.snapshots import judged_together
from webchat.store.queue_records import Verdict

RESERVED = timedelta(minutes=20)
"""How long an item is kept for the reviewer who was given it. Who asks again gets it anew."""

OPEN = ""
"""The verdict of a review that is not given yet."""

_OTHER = aliased(ReviewRow)


def signs_in(connection: Connection, reviewer: str) -> bool:
    return connection.scalar(select(OwnerRow.kind).where(OwnerRow.id == reviewer)) in REVIEWERS


def database_time(connection: Connection) -> datetime:
    """The same for all servers that share the database."""
    moment: datetime = connection.execute(select(func.now(type_=UtcDateTime()))).scalar_one()
    return moment


def find_item(
    connection: Connection, queue: Row[Any], reviewer: str, moment: datetime, passed: Sequence[str]
) -> str | None:
    """The id of the item a reviewer is given: the one they have, or else the oldest of those that lack the
    fewest reviews. passed: ids of items that can't be shown."""
    room = (QueueItemRow.id.not_in(passed), _has_room(queue, reviewer, moment))
    held = list(connection.scalars(_held(queue, reviewer)))
    query = _ids().where(*room).order_by(QueueItemRow.id).limit(1)
    if found := connection.scalar(query.where(QueueItemRow.id.in_(held))):
        return str(found)
    free = (*room, ~exists().where(*_of(reviewer)))
    return _first(connection, queue, reviewer, *free)


def may_reserve(
    connection: Connection, queue: Row[Any], reviewer: str, moment: datetime, item_id: str
) -> bool:
    """Whether an item is still the reviewer's, or free."""
    query = _ids().where(QueueItemRow.id == item_id, _has_room(queue, reviewer, moment))
    theirs = exists().where(*_of(reviewer), ReviewRow.verdict == OPEN)
    free = and_(*_wants(queue, reviewer), ~exists().where(*_of(reviewer)))
    return connection.scalar(query.where(or_(theirs, free))) is not None


def has_something(connection: Connection, queue: Row[Any], reviewer: str) -> bool:
    """Whether a queue has an item for a reviewer, which others may have reserved."""
    done = exists().where(*_of(reviewer), ReviewRow.verdict != OPEN)
    return _first(connection, queue, reviewer, ~done) is not None


def _first(
    connection: Connection, queue: Row[Any], reviewer: str, *wanted: ColumnElement[bool]
) -> str | None:
    """The items of each number of reviews are in the order of their index, which ends at the first."""
    query = _ids().where(QueueItemRow.queue_id == queue.id, *_wants(queue, reviewer), *wanted)
    for given in reversed(range(queue.reviews)):
        found = connection.scalar(query.where(QueueItemRow.given == given).order_by(QueueItemRow.id).limit(1))
        if found is not None:
            return str(found)
    return None


def count_lacking(connection: Connection, queue: Row[Any]) -> int:
    """Reviews that the items of a queue still lack, as far as these can be shown."""
    lacking = func.coalesce(func.sum(queue.reviews - QueueItemRow.given), 0)
    query = _items().with_only_columns(lacking)
    found: int = connection.scalar(
        query.where(QueueItemRow.queue_id == queue.id, QueueItemRow.given < queue.reviews)
    )
    return found


def find_given(connection: Connection, reviewer: str, item_id: str) -> Row[Any] | None:
    """An item that was given to a reviewer, with its reservation; `None` if it was not, or can't be shown."""
    query = _items().add_columns(ReviewRow.until).join(ReviewRow, and_(*_of(reviewer)))
    row: Row[Any] | None = connection.execute(query.where(QueueItemRow.id == item_id)).first()
    return row


def reserve(connection: Connection, queue: Row[Any], item_id: str, reviewer: str, until: datetime) -> None:
    mine = (ReviewRow.item_id == item_id, ReviewRow.reviewer_id == reviewer)
    if not connection.execute(update(ReviewRow).where(*mine).values(until=until)).rowcount:
        connection.execute(
            insert(ReviewRow).values(
                item_id=item_id, reviewer_id=reviewer, queue_id=queue.id, until=until, verdict=OPEN
            )
        )


def release(connection: Connection, reviewer: str, item_id: str) -> None:
    """End a reservation that brought no review."""
    mine = (ReviewRow.item_id == item_id, ReviewRow.reviewer_id == reviewer)
    connection.execute(delete(ReviewRow).where(*mine, ReviewRow.verdict == OPEN))


def release_gone(connection: Connection, queue: Row[Any], reviewer: str) -> None:
    """End the reservations of what was deleted, or whose person agrees no more."""
    held = list(connection.scalars(_held(queue, reviewer)))
    there = set(connection.scalars(_ids().where(QueueItemRow.id.in_(held))))
    for item_id in held:
        if item_id not in there:
            release(connection, reviewer, item_id)


def count_reserved(connection: Connection, item: Row[Any], reviewer: str, moment: datetime) -> int:
    others = (ReviewRow.item_id == item.id, ReviewRow.reviewer_id != reviewer)
    live = select(func.count()).where(*others, ReviewRow.verdict == OPEN, ReviewRow.until > moment)
    return connection.scalar(live) or 0


def shown(connection: Connection, item: Row[Any], reviewer: str) -> list[Judged] | None:
    """What was written, the sides as this reviewer is shown them; `None` if some of it was deleted."""
    ids = [item.message_id] if item.message_id else [item.left_id, item.right_id]
    if is_turned(item, reviewer):
        ids.reverse()
    found = [one for one in judged_together(connection, *ids) if one is not None]
    return found if len(found) == len(ids) else None


def as_shown(item: Row[Any], reviewer: str, verdict: Verdict) -> Verdict:
    """A verdict in the comparison's order as the reviewer sees it, and the other way round."""
    if not is_turned(item, reviewer):
        return verdict
    return {"left": "right", "right": "left"}.get(verdict, verdict)  # type: ignore[return-value]


def is_turned(item: Row[Any], reviewer: str) -> bool:
    """Whether a reviewer is shown the right side first: half of them are, and always the same ones."""
    if item.comparison_id is None:
        return False
    return hashlib.sha256(f"{item.id} {reviewer}".encode()).digest()[0] % 2 == 1


def _items() -> Any:
    """Items with what their chat's person agreed to, as far as it is there."""
    chat = func.coalesce(MessageRow.conversation_id, ComparisonRow.conversation_id)
    return with_owner(
        select(
            *QueueItemRow.__table__.columns,
            OwnerRow.link_id,
            ComparisonRow.left_id,
            ComparisonRow.right_id,
        )
        .outerjoin(MessageRow, MessageRow.id == QueueItemRow.message_id)
        .outerjoin(ComparisonRow, ComparisonRow.id == QueueItemRow.comparison_id)
        .join(ConversationRow, ConversationRow.id == chat)
    ).where(
        shown_to_reviewers(or_(ComparisonRow.voted_at.is_not(None), judged_themselves())),
        not_deleted(
            QueueItemRow.message_id, ComparisonRow.left_id, ComparisonRow.right_id, ComparisonRow.asked_id
        ),
    )


def _ids() -> Any:
    return _items().with_only_columns(QueueItemRow.id)


def _held(queue: Row[Any], reviewer: str) -> Any:
    """The ids of items that are reserved for a reviewer, or were and can't be shown any more."""
    mine = (ReviewRow.reviewer_id == reviewer, ReviewRow.queue_id == queue.id, ReviewRow.verdict == OPEN)
    return select(ReviewRow.item_id).where(*mine)


def _of(reviewer: str) -> tuple[ColumnElement[bool], ...]:
    """A reviewer's review of an item, in a query with the item."""
    return (ReviewRow.item_id == QueueItemRow.id, ReviewRow.reviewer_id == reviewer)


def _wants(queue: Row[Any], reviewer: str) -> tuple[ColumnElement[bool], ...]:
    """Whether an item lacks reviews, and this reviewer may give one."""
    return (
        QueueItemRow.given < queue.reviews,
        ConversationRow.owner_id != reviewer,
        ~_judged_by(queue.kind, reviewer),
    )


def _has_room(queue: Row[Any], reviewer: str, moment: datetime) -> ColumnElement[bool]:
    reserved = select(func.count()).where(
        _OTHER.item_id == QueueItemRow.id,
        _OTHER.reviewer_id != reviewer,
        _OTHER.verdict == OPEN,
        _OTHER.until > moment,
    )
    room: ColumnElement[bool] = QueueItemRow.given + reserved.scalar_subquery() < queue.reviews
    return room


def _judged_by(kind: str, reviewer: str) -> ColumnElement[bool]:
    """Whether they said something of it elsewhere: there is one judgement for each reply and person."""
    if kind == "replies":
        return exists().where(
            JudgementRow.message_id == QueueItemRow.message_id, JudgementRow.owner_id == reviewer
        )
    votes = aliased(ComparisonRow)
    sides = or_(votes.left_id == ComparisonRow.left_id, votes.right_id == ComparisonRow.left_id)
    return exists().where(votes.owner_id == reviewer, votes.asked_id == ComparisonRow.asked_id, sides)
