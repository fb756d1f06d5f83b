"""Judgements of replies: a person's own, and as operators review them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AwareDatetime, Field

from webchat.api.wire.base import Answer, Body, Id, Time
from webchat.api.wire.links import GivenAnswers
from webchat.api.wire.messages import GivenRating
from webchat.store import judgement_records
from webchat.store.judgement_records import ListedJudgement, Rating, ReviewState

COMMENT_CHARS = 4000
BETTER_CHARS = 100_000

Reason = Annotated[str, Field(min_length=1, max_length=100)]


class Judgement(Answer):
    """What the caller said of a reply. reasons: keys, or the link's own words. seq: how many pieces of the
    reply had been shown when they last said something; `null` once it had ended. better: the answer they
    would have given. answers: to the link's questions about each reply, by the question's id. trains:
    whether their link's consent sentence covered training."""

    rating: Rating
    reasons: tuple[str, ...]
    comment: str
    answers: dict[str, str | int]
    better: str
    seq: int | None
    at: Time | None
    changed_at: Time | None
    trains: bool

    @classmethod
    def read(cls, found: judgement_records.Judgement | None) -> Self:
        """Empty for somebody who said nothing."""
        if found is None:
            return cls(
                rating=0,
                reasons=(),
                comment="",
                answers={},
                better="",
                seq=None,
                at=None,
                changed_at=None,
                trains=False,
            )
        return cls(
            rating=found.rating,
            reasons=found.reasons,
            comment=found.comment,
            answers={one.question.id: one.value for one in found.answers},
            better=found.better,
            seq=found.seq,
            at=found.at,
            changed_at=found.changed_at,
            trains=found.consent is not None and found.consent.covers,
        )


class JudgementBody(Body):
    """Missing fields stay unchanged; another rating takes back the reasons of the one before. answers: as in
    `AnswersBody`. seq: how many pieces of a running reply were shown."""

    rating: GivenRating | None = None
    reasons: Annotated[list[Reason], Field(max_length=20)] | None = None
    comment: Annotated[str, Field(max_length=COMMENT_CHARS)] | None = None
    answers: GivenAnswers | None = None
    better: Annotated[str, Field(max_length=BETTER_CHARS)] | None = None
    seq: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class ReviewedAnswer(Answer):
    """What was answered to a question of the link about the reply; a number for a scale."""

    question: str
    value: str | int


class ReviewedJudgement(Answer):
    """A judgement as operators see it. person: a name, or what tells the people of a link apart. asked,
    reply: how the message and the reply begin; empty where operators may not read them. trains: whether
    it may be exported once it is accepted. review_better: an operator's answer in place of the person's."""

    id: str
    conversation_id: str
    message_id: str
    person_id: str
    person: str
    link_id: str | None
    link: str
    model: str
    template: str
    at: Time
    changed_at: Time
    rating: Rating
    reasons: tuple[str, ...]
    comment: str
    answers: tuple[ReviewedAnswer, ...]
    better: str
    asked: str
    reply: str
    trains: bool
    review: ReviewState
    review_better: str

    @classmethod
    def read(cls, listed: ListedJudgement) -> Self:
        one = listed.judgement
        return cls(
            id=one.id,
            conversation_id=one.conversation_id,
            message_id=one.message_id,
            person_id=one.owner_id,
            person=listed.person,
            link_id=one.link_id,
            link=one.link,
            model=listed.model,
            template=listed.template,
            at=one.at,
            changed_at=one.changed_at,
            rating=one.rating,
            reasons=one.reasons,
            comment=one.comment,
            answers=tuple(ReviewedAnswer(question=it.question.text, value=it.value) for it in one.answers),
            better=one.better,
            asked=listed.asked,
            reply=listed.reply,
            trains=listed.trains,
            review=one.review.state,
            review_better=one.review.better,
        )


class JudgementPage(Answer):
    """next: cursor of the next page, `null` at the end."""

    items: tuple[ReviewedJudgement, ...]
    next: str | None


class ShownJudgement(Body):
    """changed_at: as it was when the operator saw it."""

    id: Id
    changed_at: AwareDatetime


class ReviewBody(Body):
    """shown: what was changed since stays as it is. better: an answer in place of the person's, for one
    judgement that is `edited`."""

    shown: Annotated[list[ShownJudgement], Field(min_length=1, max_length=500)]
    state: ReviewState
    better: Annotated[str, Field(max_length=BETTER_CHARS)] = ""


class Reviewed(Answer):
    """How many of the judgements were reviewed, how many had changed since they were shown, and how many were
    not accepted because operators may not read their words."""

    reviewed: int
    changed: int
    unread: int
