"""Verbs of reviewers: one item of a queue at a time, reserved for them, and what they think of it.

A review is a judgement, or a vote, of its reviewer on another's chat. It has the consent of the chat's
person, so that exports and lists treat it like their own.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables import (
    ComparisonRow,
    ConversationRow,
    JudgementRow,
    MessageRow,
    OwnerRow,
    QueueItemRow,
    QueueRow,
    ReviewRow,
    TurnRow,
    UtcDateTime,
)
from webchat.store.database.transactions import reads, writes
from webchat.store.errors import NotFound, ReviewTaken
from webchat.store.judgement_records import Judged
from webchat.store.judgements.judging import judged_by
from webchat.store.judgements.queues import (
    REVIEWERS,
    QueueVerbs,
    judged_themselves,
    shown_to_reviewers,
    with_owner,
)
from webchat.store.judgements.snapshots import judged_together
from webchat.store.queue_records import VERDICTS, Assigned, NewReview, ReviewTask, Verdict

RESERVED = timedelta(minutes=20)
"""How long an item is kept for the reviewer who was given it. Who asks again gets it anew."""

_TRIES = 20
"""Items looked at for one that can be shown: others were deleted in part since the queue was made."""

_OTHER = aliased(ReviewRow)
_OPEN = ""


class QueueReviewVerbs(QueueVerbs):
    """Reviewing."""

    @reads
    def assigned(self, connection: Connection, reviewer: str) -> list[Assigned]:
        """The open queues of a reviewer, the oldest first; none of somebody who does not sign in."""
        if not _signs_in(connection, reviewer):
            return []
        rows = connection.execute(
            select(*QueueRow.__table__.columns).where(QueueRow.closed_at.is_(None)).order_by(QueueRow.id)
        )
        return [_assigned(connection, row, reviewer) for row in rows if _is_theirs(row, reviewer)]

    @writes
    def next_review(self, connection: Connection, reviewer: str, queue_id: str) -> ReviewTask | None:
        """Reserve the next item for a reviewer, or the one they have anew; `None` once nothing is left for
        them, or the rest is reserved for others. Raises NotFound for a queue that is closed or not theirs."""
        queue = _own_queue(connection, reviewer, queue_id, lock=True)
        moment = _database_time(connection)
        for item in _candidates(connection, queue, reviewer, moment):
            judged = _shown(connection, item, reviewer)
            if judged is not None:
                until = moment + RESERVED
                _reserve(connection, item, reviewer, until)
                return _task(queue.kind, item, judged, until)
        return None

    @writes
    def give_review(
        self, connection: Connection, reviewer: str, item_id: str, review: NewReview
    ) -> list[Verdict]:
        """Keep what a reviewer thinks of the item they were given; returns what the others made of it. The
        first review of a person counts: a later one changes nothing. One that comes after its time counts if
        nobody else has the place.

        Raises NotFound for an item that was not given to them or was deleted, ReviewTaken, and ValueError for
        a verdict that does not fit the item."""
        item = _given_to(connection, reviewer, item_id)
        queue = connection.execute(
            select(*QueueRow.__table__.columns).where(QueueRow.id == item.queue_id).with_for_update()
        ).one()
        if review.verdict not in VERDICTS[queue.kind] or (review.verdict == "edit") != bool(
            review.better.strip()
        ):
            raise ValueError("the verdict does not fit the item")
        mine = (ReviewRow.item_id == item_id, ReviewRow.reviewer_id == reviewer)
        if connection.scalar(select(ReviewRow.verdict).where(*mine)) == _OPEN:
            verdict = self._keep_review(connection, reviewer, item, queue, review)
            connection.execute(update(ReviewRow).where(*mine).values(verdict=verdict))
        others = (ReviewRow.item_id == item_id, ReviewRow.reviewer_id != reviewer)
        said = select(ReviewRow.verdict).where(*others, ReviewRow.verdict.not_in((_OPEN, "skip")))
        found = list(connection.scalars(said.order_by(ReviewRow.until, ReviewRow.reviewer_id)))
        return [_as_shown(item, reviewer, cast("Verdict", verdict)) for verdict in found]

    def _keep_review(
        self, connection: Connection, reviewer: str, item: Row[Any], queue: Row[Any], review: NewReview
    ) -> Verdict:
        if review.verdict == "skip":
            return "skip"
        moment = _database_time(connection)
        taken = item.given + _reserved(connection, item, reviewer, moment)
        if item.until <= moment and taken >= queue.reviews:
            raise ReviewTaken
        if _shown(connection, item, reviewer) is None:
            raise NotFound("reply")
        if queue.kind == "replies":
            _keep_judgement(connection, reviewer, item.message_id, review)
        else:
            _keep_vote(connection, reviewer, item, review)
        given = update(QueueItemRow).where(QueueItemRow.id == item.id)
        connection.execute(given.values(given=QueueItemRow.given + 1))
        return _as_shown(item, reviewer, review.verdict)


def remove_reviews(connection: Connection, reviewer: str, limit: int) -> int:
    """Delete some of the judgements, votes and places of a reviewer who is removed; returns how many."""
    judged = select(JudgementRow.id).where(JudgementRow.owner_id == reviewer).limit(limit)
    voted = select(ComparisonRow.id).where(
        ComparisonRow.owner_id == reviewer, ComparisonRow.closed_at.is_not(None)
    )
    gone = 0
    for table, query in ((JudgementRow, judged), (ComparisonRow, voted.limit(limit))):
        those = list(connection.scalars(query))
        gone += len(those)
        connection.execute(delete(table).where(table.id.in_(those)))
    items = list(
        connection.scalars(select(ReviewRow.item_id).where(ReviewRow.reviewer_id == reviewer).limit(limit))
    )
    mine = (ReviewRow.reviewer_id == reviewer, ReviewRow.item_id.in_(items))
    given = select(ReviewRow.item_id).where(*mine, ReviewRow.verdict.not_in((_OPEN, "skip")))
    connection.execute(
        update(QueueItemRow).where(QueueItemRow.id.in_(given)).values(given=QueueItemRow.given - 1)
    )
    connection.execute(delete(ReviewRow).where(*mine))
    return gone + len(items)


def _signs_in(connection: Connection, reviewer: str) -> bool:
    return connection.scalar(select(OwnerRow.kind).where(OwnerRow.id == reviewer)) in REVIEWERS


def _is_theirs(queue: Row[Any], reviewer: str) -> bool:
    return not queue.reviewers or reviewer in queue.reviewers


def _own_queue(connection: Connection, reviewer: str, queue_id: str, *, lock: bool = False) -> Row[Any]:
    """An open queue of a reviewer. lock: who asks for an item next waits, so that nobody is given the same
    place. Raises NotFound."""
    query = select(*QueueRow.__table__.columns).where(QueueRow.id == queue_id, QueueRow.closed_at.is_(None))
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None or not _signs_in(connection, reviewer) or not _is_theirs(row, reviewer):
        raise NotFound("queue")
    return row


def _assigned(connection: Connection, queue: Row[Any], reviewer: str) -> Assigned:
    items = (QueueItemRow.queue_id == queue.id,)
    count, given = connection.execute(
        select(func.count(), func.coalesce(func.sum(QueueItemRow.given), 0)).where(*items)
    ).one()
    mine = (ReviewRow.reviewer_id == reviewer, ReviewRow.queue_id == queue.id)
    done = select(func.count()).where(*mine, ReviewRow.verdict.not_in((_OPEN, "skip")))
    return Assigned(
        queue.id, queue.name, queue.kind, connection.scalar(done) or 0, given, count * queue.reviews
    )


def _database_time(connection: Connection) -> datetime:
    """The same for all servers that share the database."""
    moment: datetime = connection.execute(select(func.now(type_=UtcDateTime()))).scalar_one()
    return moment


def _candidates(connection: Connection, queue: Row[Any], reviewer: str, moment: datetime) -> list[Row[Any]]:
    """Items a reviewer may be given: first the one they have, then the oldest that lack reviews."""
    mine = (ReviewRow.item_id == QueueItemRow.id, ReviewRow.reviewer_id == reviewer)
    held = exists().where(*mine, ReviewRow.verdict == _OPEN)
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


def _has_room(queue: Row[Any], reviewer: str, moment: datetime) -> ColumnElement[bool]:
    reserved = select(func.count()).where(
        _OTHER.item_id == QueueItemRow.id,
        _OTHER.reviewer_id != reviewer,
        _OTHER.verdict == _OPEN,
        _OTHER.until > moment,
    )
    room: ColumnElement[bool] = QueueItemRow.given + reserved.scalar_subquery() < queue.reviews
    return room


def _reserved(connection: Connection, item: Row[Any], reviewer: str, moment: datetime) -> int:
    others = (ReviewRow.item_id == item.id, ReviewRow.reviewer_id != reviewer)
    live = select(func.count()).where(*others, ReviewRow.verdict == _OPEN, ReviewRow.until > moment)
    return connection.scalar(live) or 0


def _judged_by(kind: str, reviewer: str) -> ColumnElement[bool]:
    """Whether they said something of it elsewhere: there is one judgement for each reply and person."""
    if kind == "replies":
        return exists().where(
            JudgementRow.message_id == QueueItemRow.message_id, JudgementRow.owner_id == reviewer
        )
    votes = aliased(ComparisonRow)
    sides = or_(votes.left_id == ComparisonRow.left_id, votes.right_id == ComparisonRow.left_id)
    return exists().where(votes.owner_id == reviewer, votes.asked_id == ComparisonRow.asked_id, sides)


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


def _given_to(connection: Connection, reviewer: str, item_id: str) -> Row[Any]:
    """An item and its reservation. Raises NotFound."""
    mine = (ReviewRow.item_id == QueueItemRow.id) & (ReviewRow.reviewer_id == reviewer)
    query = _items().add_columns(ReviewRow.until).join(ReviewRow, mine)
    row: Row[Any] | None = connection.execute(query.where(QueueItemRow.id == item_id)).first()
    if row is None or not _signs_in(connection, reviewer):
        raise NotFound("review")
    return row


def _shown(connection: Connection, item: Row[Any], reviewer: str) -> list[Judged] | None:
    """What was written, the sides as this reviewer is shown them; `None` if some of it was deleted."""
    ids = [item.message_id] if item.message_id else [item.left_id, item.right_id]
    if _turned(item, reviewer):
        ids.reverse()
    found = [one for one in judged_together(connection, *ids) if one is not None]
    return found if len(found) == len(ids) else None


def _turned(item: Row[Any], reviewer: str) -> bool:
    """Whether a reviewer is shown the right side first: half of them are, and always the same ones."""
    if item.comparison_id is None:
        return False
    return hashlib.sha256(f"{item.id} {reviewer}".encode()).digest()[0] % 2 == 1


def _as_shown(item: Row[Any], reviewer: str, verdict: Verdict) -> Verdict:
    """A verdict in the comparison's order as the reviewer sees it, and the other way round."""
    if not _turned(item, reviewer):
        return verdict
    return {"left": "right", "right": "left"}.get(verdict, verdict)  # type: ignore[return-value]


def _reserve(connection: Connection, item: Row[Any], reviewer: str, until: datetime) -> None:
    mine = (ReviewRow.item_id == item.id, ReviewRow.reviewer_id == reviewer)
    if not connection.execute(update(ReviewRow).where(*mine).values(until=until)).rowcount:
        connection.execute(
            insert(ReviewRow).values(
                item_id=item.id, reviewer_id=reviewer, queue_id=item.queue_id, until=until, verdict=_OPEN
            )
        )


def _task(kind: Any, item: Row[Any], judged: list[Judged], until: datetime) -> ReviewTask:
    prompt = tuple(message for message in judged[0].prompt if message.role != "system")
    return ReviewTask(item.id, item.queue_id, kind, prompt, tuple(one.reply for one in judged), until)


def _reviewed_by(connection: Connection, reviewer: str) -> str | None:
    """An operator's review needs nobody to accept it."""
    kind = connection.scalar(select(OwnerRow.kind).where(OwnerRow.id == reviewer))
    return reviewer if kind in ("operator", "local") else None


def _consent_of(connection: Connection, conversation_id: str) -> dict[str, Any]:
    author = connection.scalar(select(ConversationRow.owner_id).where(ConversationRow.id == conversation_id))
    return judged_by(connection, str(author))


def _keep_judgement(connection: Connection, reviewer: str, message_id: str, review: NewReview) -> None:
    message = connection.execute(
        select(MessageRow.conversation_id, TurnRow.model, TurnRow.template)
        .join(TurnRow, TurnRow.message_id == MessageRow.id)
        .where(MessageRow.id == message_id)
    ).one()
    moment = now()
    accepts = _reviewed_by(connection, reviewer)
    connection.execute(
        insert(JudgementRow).values(
            id=new_id(),
            message_id=message_id,
            owner_id=reviewer,
            at=moment,
            day=moment.date().isoformat(),
            changed_at=moment,
            rating={"accept": 1, "reject": -1}.get(review.verdict, 0),
            reasons=[],
            comment=clean(review.comment).strip(),
            answers=[],
            better=clean(review.better) if review.verdict == "edit" else "",
            corrects=review.verdict == "edit",
            model=message.model or "",
            template=message.template or "",
            review="accepted" if accepts else "new",
            reviewed_by=accepts,
            reviewed_at=moment if accepts else None,
            review_better="",
            **_consent_of(connection, message.conversation_id),
        )
    )


def _keep_vote(connection: Connection, reviewer: str, item: Row[Any], review: NewReview) -> None:
    """A comparison of the same replies, with the sides as they were shown."""
    first = connection.execute(
        select(*ComparisonRow.__table__.columns).where(ComparisonRow.id == item.comparison_id)
    ).one()
    moment = now()
    sides = {}
    for to, side in (
        (("left", "right"), ("right", "left"))
        if _turned(item, reviewer)
        else (("left", "left"), ("right", "right"))
    ):
        for name in ("id", "model", "settings"):
            sides[f"{to}_{name}"] = getattr(first, f"{side}_{name}")
    consent = _consent_of(connection, first.conversation_id)
    connection.execute(
        insert(ComparisonRow).values(
            id=new_id(),
            owner_id=reviewer,
            conversation_id=first.conversation_id,
            asked_id=first.asked_id,
            link_id=consent["link_id"],
            at=moment,
            preferred=review.verdict,
            comment=clean(review.comment).strip(),
            voted_at=moment,
            closed_at=moment,
            consent=consent["consent"],
            **sides,
        )
    )
