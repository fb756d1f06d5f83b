"""Queues of replies and comparisons, and reviewing them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from webchat.api.wire.base import Answer, Body, Id, ModelName, Time
from webchat.api.wire.judgements import BETTER_CHARS, COMMENT_CHARS
from webchat.store import queue_records
from webchat.store.queue_records import NewQueue, QueueFilter, QueueJudged, QueueKind, Verdict


class QueueWanted(Body):
    """Which replies or comparisons; `null` for all. judged: what the people of the chats made of it; of
    comparisons, `any` or `unjudged`. since, before: by when they were made."""

    model: ModelName | None = None
    link_id: Id | None = None
    since: AwareDatetime | None = None
    before: AwareDatetime | None = None
    judged: QueueJudged = "any"


class QueueBody(Body):
    """reviews: how many each item gets. reviewers: ids of people; empty for everybody who signs in."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: QueueKind = "replies"
    wanted: QueueWanted = QueueWanted()
    reviews: Annotated[int, Field(ge=1, le=10)] = 1
    reviewers: Annotated[tuple[Id, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _comparisons_have_no_thumbs(self) -> Self:
        if self.kind == "comparisons" and self.wanted.judged in ("good", "bad"):
            raise ValueError("comparisons can be filtered by `any` and `unjudged` only")
        return self

    def read(self) -> NewQueue:
        wanted = QueueFilter(**self.wanted.model_dump())
        return NewQueue(self.name, self.kind, wanted, self.reviews, self.reviewers)


class QueueFound(Answer):
    """As in `QueueWanted`."""

    model: str | None
    link_id: str | None
    since: Time | None
    before: Time | None
    judged: QueueJudged


class ReviewQueue(Answer):
    """items: replies or comparisons in it. given: reviews of them; with `items` times `reviews` all is done.
    closed_at: since when nobody is asked any more."""

    id: str
    name: str
    kind: QueueKind
    wanted: QueueFound
    reviews: int
    reviewers: tuple[str, ...]
    created_at: Time
    closed_at: Time | None
    items: int
    given: int


class QueuePage(Answer):
    """next: cursor of the next page, `null` at the end."""

    items: tuple[ReviewQueue, ...]
    next: str | None


class AssignedQueue(Answer):
    """An open queue as one of its reviewers sees it. mine: the reviews they gave. given, total: of everybody
    together."""

    id: str
    name: str
    kind: QueueKind
    mine: int
    given: int
    total: int


class AssignedQueues(Answer):
    queues: tuple[AssignedQueue, ...]


class ReviewedMessage(Answer):
    role: str
    text: str


class ReviewTask(Answer):
    """What is to be judged, without what tells the model or what others think of it. id: of the item. prompt:
    what was written before. replies: one, or the left and the right one. until: it is reserved that long."""

    id: str
    kind: QueueKind
    prompt: tuple[ReviewedMessage, ...]
    replies: tuple[str, ...]
    until: Time

    @classmethod
    def read(cls, found: queue_records.ReviewTask) -> Self:
        return cls(
            id=found.item_id,
            kind=found.kind,
            prompt=tuple(ReviewedMessage(role=one.role, text=one.text) for one in found.prompt),
            replies=found.replies,
            until=found.until,
        )


class NextReview(Answer):
    """task: `null` once nothing is left for the caller, or the rest is reserved for others."""

    task: ReviewTask | None
    queue: AssignedQueue


class NewReviewBody(Body):
    """verdict: of a reply `accept`, `reject` or `edit`, which has a `better` answer; of a comparison `left`,
    `right` or `tie`; of both `skip`, which counts for nothing."""

    verdict: Verdict
    better: Annotated[str, Field(max_length=BETTER_CHARS)] = ""
    comment: Annotated[str, Field(max_length=COMMENT_CHARS)] = ""

    @model_validator(mode="after")
    def _edits_have_an_answer(self) -> Self:
        if (self.verdict == "edit") != bool(self.better.strip()):
            raise ValueError("`edit` takes a better answer, and nothing else does")
        return self


class GivenReview(Answer):
    """others: what the others made of the item so far; left and right as the caller saw them."""

    others: tuple[Literal["accept", "reject", "edit", "left", "right", "tie"], ...]
