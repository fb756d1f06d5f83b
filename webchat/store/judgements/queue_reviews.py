"""Verbs of reviewers: one item of a queue at a time, reserved for them, and what they think of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, Row, delete, func, select, update

from webchat.store.database.tables.judgements import QueueItemRow, QueueRow, ReviewRow
from webchat.store.database.transactions import long, reads, writes
from webchat.store.errors import NotFound, ReviewTaken
from webchat.store.judgements.queues import QueueVerbs
from webchat.store.judgements.reviewed_items import (
    OPEN,
    RESERVED,
    as_shown,
    count_lacking,
    count_reserved,
    database_time,
    find_given,
    find_item,
    has_something,
    may_reserve,
    release,
    release_gone,
    reserve,
    shown,
    signs_in,
)
from webchat.store.judgements.stored_reviews import drop_review, keep_judgement, keep_vote
from webchat.store.queue_records import VERDICTS, Assigned, NewReview, QueueKind, ReviewTask, Verdict


class QueueReviewVerbs(QueueVerbs):
    """Reviewing."""

    @reads
    def assigned(self, connection: Connection, reviewer: str) -> list[Assigned]:
        """The open queues of a reviewer, the oldest first; none of somebody who does not sign in."""
        return [_assigned(connection, row, reviewer) for row in _own_queues(connection, reviewer)]

    @reads
    def assigned_queue(self, connection: Connection, reviewer: str, queue_id: str) -> Assigned:
        """One of them. Raises NotFound."""
        return _assigned(connection, _own_queue(connection, reviewer, queue_id), reviewer)

    @reads
    def has_reviews(self, connection: Connection, reviewer: str) -> bool:
        """Whether an open queue has something for a reviewer."""
        return any(has_something(connection, row, reviewer) for row in _own_queues(connection, reviewer))

    @long
    def next_review(self, reviewer: str, queue_id: str) -> ReviewTask | None:
        """Reserve the next item for a reviewer, or the one they have anew; `None` once nothing is left for
        them, or the rest is reserved for others. A tester's is logged like an operator's look at their chats.
        Raises NotFound for a queue that is closed or not theirs."""
        passed: list[str] = []
        while item_id := self._find_item(reviewer, queue_id, passed):
            if not self.in_turn(self._reserve, reviewer, queue_id, item_id):
                continue  # somebody else has it since a moment ago
            found = self._task(reviewer, item_id)
            if found is not None:
                task, link_id = found
                if link_id is not None:
                    self._log_look(reviewer, "reviewed", link_id)
                return task
            # Some of what it answers is in the trash, or it all is since a moment ago.
            self.in_turn(self._release, reviewer, item_id)
            passed.append(item_id)
        return None

    @reads
    def _find_item(
        self, connection: Connection, reviewer: str, queue_id: str, passed: Sequence[str]
    ) -> str | None:
        queue = _own_queue(connection, reviewer, queue_id)
        return find_item(connection, queue, reviewer, database_time(connection), passed)

    @writes
    def _reserve(self, connection: Connection, reviewer: str, queue_id: str, item_id: str) -> bool:
        queue = _own_queue(connection, reviewer, queue_id, lock=True)
        release_gone(connection, queue, reviewer)
        moment = database_time(connection)
        free = may_reserve(connection, queue, reviewer, moment, item_id)
        if free:
            reserve(connection, queue, item_id, reviewer, moment + RESERVED)
        return free

    @reads
    def _task(
        self, connection: Connection, reviewer: str, item_id: str
    ) -> tuple[ReviewTask, str | None] | None:
        """What a reviewer is shown of an item, and the tester's link; `None` if it can't be shown."""
        item = find_given(connection, reviewer, item_id)
        judged = None if item is None else shown(connection, item, reviewer)
        if item is None or judged is None:
            return None
        prompt = tuple(message for message in judged[0].prompt if message.role != "system")
        replies = tuple(one.reply for one in judged)
        kind: QueueKind = "replies" if item.message_id else "comparisons"
        return ReviewTask(item.id, item.queue_id, kind, prompt, replies, item.until), item.link_id

    @writes
    def _release(self, connection: Connection, reviewer: str, item_id: str) -> None:
        release(connection, reviewer, item_id)

    @writes
    def give_review(
        self, connection: Connection, reviewer: str, item_id: str, review: NewReview
    ) -> list[Verdict]:
        """Keep what a reviewer thinks of the item they were given; returns what the others made of it. The
        first review of a person counts: a later one changes nothing, unless they take it back. One that comes
        after its time counts if nobody else has the place.

        Raises NotFound for an item that was not given to them or was deleted, ReviewTaken, and ValueError for
        a verdict that does not fit the item."""
        queue, item = _given(connection, reviewer, item_id)
        if review.verdict not in VERDICTS[queue.kind] or (review.verdict == "edit") != bool(
            review.better.strip()
        ):
            raise ValueError("the verdict does not fit the item")
        mine = (ReviewRow.item_id == item_id, ReviewRow.reviewer_id == reviewer)
        if connection.scalar(select(ReviewRow.verdict).where(*mine)) == OPEN:
            verdict = self._keep_review(connection, reviewer, item, queue, review)
            connection.execute(update(ReviewRow).where(*mine).values(verdict=verdict))
        others = (ReviewRow.item_id == item_id, ReviewRow.reviewer_id != reviewer)
        said = select(ReviewRow.verdict).where(*others, ReviewRow.verdict.not_in((OPEN, "skip")))
        found = list(connection.scalars(said.order_by(ReviewRow.until, ReviewRow.reviewer_id)))
        return [as_shown(item, reviewer, cast("Verdict", verdict)) for verdict in found]

    @writes
    def take_back_review(self, connection: Connection, reviewer: str, item_id: str) -> None:
        """Delete what a reviewer made of an item of an open queue, and reserve it for them anew: it is what
        they are given next. Files that were exported stay as they are. Nothing happens if there is no review.

        Raises NotFound as `give_review`, and for a closed queue; ReviewTaken for one they skipped whose place
        others have."""
        queue, item = _given(connection, reviewer, item_id)
        if queue.closed_at is not None:
            raise NotFound("review")
        mine = (ReviewRow.queue_id == queue.id, ReviewRow.reviewer_id == reviewer)
        verdict = connection.scalar(select(ReviewRow.verdict).where(*mine, ReviewRow.item_id == item_id))
        if verdict == OPEN:
            return
        moment = database_time(connection)
        given = item.given - (verdict != "skip")
        if given + count_reserved(connection, item, reviewer, moment) >= queue.reviews:
            raise ReviewTaken
        if verdict != "skip":
            drop_review(connection, reviewer, item)
            connection.execute(
                update(QueueItemRow).where(QueueItemRow.id == item_id).values(given=QueueItemRow.given - 1)
            )
        # What they were given since is free again, so that this one comes next.
        connection.execute(delete(ReviewRow).where(*mine, ReviewRow.verdict == OPEN))
        anew = update(ReviewRow).where(*mine, ReviewRow.item_id == item_id)
        connection.execute(anew.values(verdict=OPEN, until=moment + RESERVED))

    def _keep_review(
        self, connection: Connection, reviewer: str, item: Row[Any], queue: Row[Any], review: NewReview
    ) -> Verdict:
        if review.verdict == "skip":
            return "skip"
        moment = database_time(connection)
        taken = item.given + count_reserved(connection, item, reviewer, moment)
        if item.until <= moment and taken >= queue.reviews:
            raise ReviewTaken
        if queue.kind == "replies":
            keep_judgement(connection, reviewer, item.message_id, review)
        else:
            keep_vote(connection, reviewer, item, review)
        given = update(QueueItemRow).where(QueueItemRow.id == item.id)
        connection.execute(given.values(given=QueueItemRow.given + 1))
        return as_shown(item, reviewer, review.verdict)


def _given(connection: Connection, reviewer: str, item_id: str) -> tuple[Row[Any], Row[Any]]:
    """An item that was given to a reviewer, after its queue, which is locked: reviews of a queue are kept one
    after another, and what was given is read then. Raises NotFound."""
    its_queue = select(QueueItemRow.queue_id).where(QueueItemRow.id == item_id).scalar_subquery()
    queue = connection.execute(
        select(*QueueRow.__table__.columns).where(QueueRow.id == its_queue).with_for_update()
    ).first()
    item = find_given(connection, reviewer, item_id)
    if queue is None or item is None or not signs_in(connection, reviewer):
        raise NotFound("review")
    return queue, item


def _is_theirs(queue: Row[Any], reviewer: str) -> bool:
    return not queue.reviewers or reviewer in queue.reviewers


def _own_queues(connection: Connection, reviewer: str) -> list[Row[Any]]:
    """The open ones."""
    if not signs_in(connection, reviewer):
        return []
    query = select(*QueueRow.__table__.columns).where(QueueRow.closed_at.is_(None)).order_by(QueueRow.id)
    return [row for row in connection.execute(query) if _is_theirs(row, reviewer)]


def _own_queue(connection: Connection, reviewer: str, queue_id: str, *, lock: bool = False) -> Row[Any]:
    """An open queue of a reviewer. lock: who asks for an item next waits, so that nobody is given the same
    place. Raises NotFound."""
    query = select(*QueueRow.__table__.columns).where(QueueRow.id == queue_id, QueueRow.closed_at.is_(None))
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None or not signs_in(connection, reviewer) or not _is_theirs(row, reviewer):
        raise NotFound("queue")
    return row


def _assigned(connection: Connection, queue: Row[Any], reviewer: str) -> Assigned:
    every = select(func.coalesce(func.sum(QueueItemRow.given), 0)).where(QueueItemRow.queue_id == queue.id)
    given = connection.scalar(every) or 0
    mine = (ReviewRow.reviewer_id == reviewer, ReviewRow.queue_id == queue.id)
    done = select(func.count()).where(*mine, ReviewRow.verdict.not_in((OPEN, "skip")))
    total = given + count_lacking(connection, queue)
    return Assigned(queue.id, queue.name, queue.kind, connection.scalar(done) or 0, given, total)
