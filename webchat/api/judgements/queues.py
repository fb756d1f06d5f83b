"""Queues for reviewers: operators make them, members and operators review what is in them."""

from __future__ import annotations

from webchat.api.reading import Cursor, Member, Operator, PathId, bad_query
from webchat.api.services import Services
from webchat.api.wire.queues import (
    AssignedQueue,
    AssignedQueues,
    GivenReview,
    NewReviewBody,
    NextReview,
    QueueBody,
    QueuePage,
    ReviewQueue,
    ReviewTask,
)
from webchat.moderation import Context
from webchat.store.queue_records import NewReview


class Queues:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def list(self, operator: Operator, cursor: Cursor = None) -> QueuePage:
        """Queues, the newest first."""
        page = await self._store.call(self._store.queues, operator.id, cursor=cursor)
        return QueuePage(items=tuple(map(ReviewQueue.of, page.items)), next=page.next)

    async def make(self, operator: Operator, body: QueueBody) -> ReviewQueue:
        """Make a queue of what matches now, at most the newest 5,000."""
        return ReviewQueue.of(await self._store.call(self._store.make_queue, operator.id, body.read()))

    async def close(self, operator: Operator, id: PathId) -> None:
        """Ask nobody any more. What was reviewed stays."""
        await self._store.call(self._store.close_queue, operator.id, id)

    async def assigned(self, member: Member) -> AssignedQueues:
        """The open queues that the caller reviews."""
        found = await self._store.call(self._store.assigned, member.id)
        return AssignedQueues(queues=tuple(map(AssignedQueue.of, found)))

    async def next(self, member: Member, id: PathId) -> NextReview:
        """Reserve the next item of a queue for 20 minutes, or the one the caller has."""
        task = await self._store.call(self._store.next_review, member.id, id)
        queue = await self._store.call(self._store.assigned_queue, member.id, id)
        return NextReview(task=None if task is None else ReviewTask.read(task), queue=AssignedQueue.of(queue))

    async def review(self, member: Member, id: PathId, body: NewReviewBody) -> GivenReview:
        """Say what to make of an item, and see what others made of it. The first review counts. 409 if the
        reservation has expired and somebody else has it."""
        context = Context("input", member.id, counts=False, profile=member.terms.moderation_profile)
        texts = [
            text and await self._services.review.text(context, text)
            for text in (body.better.strip(), body.comment.strip())
        ]
        review = NewReview(body.verdict, *texts)
        try:
            others = await self._store.call(self._store.give_review, member.id, id, review)
        except ValueError:
            raise bad_query("verdict") from None
        return GivenReview(others=tuple(one for one in others if one != "skip"))

    async def take_back(self, member: Member, id: PathId) -> None:
        """Take back one's review of an item: the queue gives it anew, next. Exported files stay as they are.
        409 if it was skipped and others have its place."""
        await self._store.call(self._store.take_back_review, member.id, id)
