"""Queues of replies and comparisons for reviewers, as the store hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from webchat.store.judgement_records import JudgedMessage

QueueKind = Literal["replies", "comparisons"]

QueueJudged = Literal["any", "good", "bad", "unjudged"]
"""What the people of the chats made of it: of comparisons, only `any` and `unjudged`."""

Verdict = Literal["accept", "reject", "edit", "left", "right", "tie", "skip"]
"""The first three of a reply, the next three of a comparison."""

VERDICTS: dict[QueueKind, frozenset[Verdict]] = {
    "replies": frozenset({"accept", "reject", "edit", "skip"}),
    "comparisons": frozenset({"left", "right", "tie", "skip"}),
}


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which replies or comparisons a queue has; `None` for all. since, before: by when they were made."""

    model: str | None = None
    link_id: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    judged: QueueJudged = "any"


@dataclass(frozen=True, slots=True)
class NewQueue:
    """reviews: how many each item gets, by different people. reviewers: ids of owners; empty for everybody
    who signs in."""

    name: str
    kind: QueueKind = "replies"
    wanted: QueueFilter = QueueFilter()
    reviews: int = 1
    reviewers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """items: those it was made with, as far as they still exist. given: reviews of them, without skips; once
    there are `items` times `reviews`, all is done."""

    id: str
    name: str
    kind: QueueKind
    wanted: QueueFilter
    reviews: int
    reviewers: tuple[str, ...]
    created_at: datetime
    closed_at: datetime | None
    items: int
    given: int


@dataclass(frozen=True, slots=True)
class Assigned:
    """An open queue as one of its reviewers sees it. mine: the reviews they gave, without skips. given,
    total: of everybody together; what was deleted lacks none."""

    id: str
    name: str
    kind: QueueKind
    mine: int
    given: int
    total: int


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """What a reviewer is asked to judge, without the names of models and what others think of it.

    prompt: what was written before, without the system prompt. replies: one, or both sides in an order of
    this reviewer's own. until: how long it is reserved for them.
    """

    item_id: str
    queue_id: str
    kind: QueueKind
    prompt: tuple[JudgedMessage, ...]
    replies: tuple[str, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class NewReview:
    """What a reviewer thinks of an item; sides as they were shown. better: their answer, if they `edit`."""

    verdict: Verdict
    better: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """What one reviewer made of an item. verdict: with the sides in the order of the comparison."""

    reviewer_id: str
    item_id: str
    verdict: Verdict
