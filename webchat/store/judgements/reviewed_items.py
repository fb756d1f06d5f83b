"""Items of queues as reviewers get them: which is next, how long it is reserved, and what is shown."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from webchat.store.database.tables import (
    ComparisonRow,
    ConversationRow,
    JudgementRow,
    MessageRow,
    OwnerRow,
    QueueItemRow,
    ReviewRow,
    UtcDateTime,
)
from webchat.store.errors import NotFound
from webchat.store.judgement_records import Judged
from webchat.store.judgements.queues import REVIEWERS, judged_themselves, shown_to_reviewers, with_owner
from webchat.store.judgements.snapshots import judged_together
from webchat.store.queue_records import Verdict

RESERVED = timedelta(minutes=20)
"""How long an item is kept for the reviewer who was given it. Who asks again gets it anew."""

OPEN = ""
"""The verdict of a review that is not given yet."""

_TRIES = 20
"""Items looked at for one that can be shown: others were deleted in part since the queue was made."""

_OTHER = aliased(ReviewRow)


def signs_in(connection: Connection, reviewer: str) -> bool:
    return connection.scalar(select(OwnerRow.kind).where(OwnerRow.id == reviewer)) in REVIEWERS


def database_time(connection: Connection) -> datetime:
    """The same for all servers that share the database."""
    moment: datetime = connection.execute(select(func.now(type_=UtcDateTime()))).scalar_one()
    return moment


def candidates(connection: Connection, queue: Row[Any], reviewer: str, moment: datetime) -> list[Row[Any]]:
    """Items a reviewer may be given: first the one they have, then the oldest that lack reviews."""
    mine = (ReviewRow.item_id == QueueItemRow.id, ReviewRow.reviewer_id == reviewer)
    held = exists().where(*mine, ReviewRow.verdict == OPEN)
    query = _items().where(QueueItemRow.queue_id == queue.id).order_by(QueueItemRow.id).limit(_TRIES)
    if theirs := connection.execute(query.where(held, _has_room(queue, reviewer, moment))).all():
        return list(theirs)
    free = (
        QueueItemRow.given < queue.reviews,
        ~exists().where(*mine),
        ConversationRow.owner_id != reviewer,
        ~_judged_by(queue.kind, reviewer),
        _has_room(queue, reviewer, moment),
    )
    return list(connection.execute(query.where(*free)).all())


def given_to(connection: Connection, reviewer: str, item_id: str) -> Row[Any]:
    """An item and its reservation. Raises NotFound."""
    mine = (ReviewRow.item_id == QueueItemRow.id) & (ReviewRow.reviewer_id == reviewer)
    query = _items().add_columns(ReviewRow.until).join(ReviewRow, mine)
    row: Row[Any] | None = connection.execute(query.where(QueueItemRow.id == item_id)).first()
    if row is None or not signs_in(connection, reviewer):
        raise NotFound("review")
    return row


def reserve(connection: Connection, item: Row[Any], reviewer: str, until: datetime) -> None:
    mine = (ReviewRow.item_id == item.id, ReviewRow.reviewer_id == reviewer)
    if not connection.execute(update(ReviewRow).where(*mine).values(until=until)).rowcount:
        connection.execute(
            insert(ReviewRow).values(
                item_id=item.id, reviewer_id=reviewer, queue_id=item.queue_id, until=until, verdict=OPEN
            )
        )


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
            ConversationRow.owner_id.label("author_id"),
            ConversationRow.id.label("conversation_id"),
            ComparisonRow.left_id,
            ComparisonRow.right_id,
        )
        .outerjoin(MessageRow, MessageRow.id == QueueItemRow.message_id)
        .outerjoin(ComparisonRow, ComparisonRow.id == QueueItemRow.comparison_id)
        .join(ConversationRow, ConversationRow.id == chat)
    ).where(shown_to_reviewers(or_(ComparisonRow.voted_at.is_not(None), judged_themselves())))


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
