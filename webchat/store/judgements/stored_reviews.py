"""Reviews as they are stored: a judgement, or a vote, of its reviewer on another's chat.

It has the consent of the chat's person, so that exports and lists treat it like their own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementRow, QueueItemRow, ReviewRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.judgements.judging import judged_by
from webchat.store.judgements.reviewed_items import OPEN, is_turned
from webchat.store.queue_records import NewReview


def keep_judgement(connection: Connection, reviewer: str, message_id: str, review: NewReview) -> None:
    """A judgement of the reply."""
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


def keep_vote(connection: Connection, reviewer: str, item: Row[Any], review: NewReview) -> None:
    """A comparison of the same replies, with the sides as they were shown."""
    first = connection.execute(
        select(*ComparisonRow.__table__.columns).where(ComparisonRow.id == item.comparison_id)
    ).one()
    moment = now()
    sides = {}
    for to, side in (
        (("left", "right"), ("right", "left"))
        if is_turned(item, reviewer)
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


def drop_review(connection: Connection, reviewer: str, item: Row[Any]) -> None:
    """Delete the judgement or the vote that a review of an item is."""
    if item.message_id is not None:
        mine = (JudgementRow.message_id == item.message_id, JudgementRow.owner_id == reviewer)
        connection.execute(delete(JudgementRow).where(*mine))
        return
    first = select(ComparisonRow.asked_id).where(ComparisonRow.id == item.comparison_id).scalar_subquery()
    sides = {ComparisonRow.left_id: item.left_id, ComparisonRow.right_id: item.right_id}
    if is_turned(item, reviewer):
        sides = {ComparisonRow.left_id: item.right_id, ComparisonRow.right_id: item.left_id}
    those = (column == id for column, id in sides.items())
    connection.execute(
        delete(ComparisonRow).where(
            ComparisonRow.owner_id == reviewer, ComparisonRow.asked_id == first, *those
        )
    )


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
    given = select(ReviewRow.item_id).where(*mine, ReviewRow.verdict.not_in((OPEN, "skip")))
    connection.execute(
        update(QueueItemRow).where(QueueItemRow.id.in_(given)).values(given=QueueItemRow.given - 1)
    )
    connection.execute(delete(ReviewRow).where(*mine))
    return gone + len(items)


def _reviewed_by(connection: Connection, reviewer: str) -> str | None:
    """An operator's review needs nobody to accept it."""
    kind = connection.scalar(select(OwnerRow.kind).where(OwnerRow.id == reviewer))
    return reviewer if kind in ("operator", "local") else None


def _consent_of(connection: Connection, conversation_id: str) -> dict[str, Any]:
    author = connection.scalar(select(ConversationRow.owner_id).where(ConversationRow.id == conversation_id))
    return judged_by(connection, str(author))
