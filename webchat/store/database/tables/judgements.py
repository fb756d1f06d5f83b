"""Judgements, comparisons, and the queues in which they are reviewed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id


class JudgementRow(Base):
    """What people think of replies: one row per message and person. What they judged is read from the message
    and its path, which never change; `model` and `template` are its turn's, for the operators' filters.
    day: the date of `at`, in UTC. covers: what `consent` has, which is NULL without a sentence."""

    __tablename__ = "judgements"
    __table_args__ = (
        UniqueConstraint("message_id", "owner_id"),
        # Newest first by whatever they are listed by, and counts that read nothing but an index.
        Index("ix_judgements_day", "day", "model", "rating", "corrects"),
        Index("ix_judgements_at", "at", "id"),
        Index("ix_judgements_model", "model", "at", "id"),
        Index("ix_judgements_template", "template", "at", "id"),
        Index("ix_judgements_link_id", "link_id", "at", "id"),
        Index("ix_judgements_owner_id", "owner_id", "at", "id"),
        Index("ix_judgements_rating", "rating", "at", "id"),
        Index("ix_judgements_review", "review", "at", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"))
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    link_id: Mapped[str | None] = mapped_column(Id)
    at: Mapped[datetime]
    day: Mapped[str] = mapped_column(String(10))
    changed_at: Mapped[datetime]
    seq: Mapped[int | None]
    rating: Mapped[int]
    reasons: Mapped[list[Any]]
    comment: Mapped[str]
    answers: Mapped[list[Any]]
    better: Mapped[str]
    corrects: Mapped[bool]
    consent: Mapped[dict[str, Any] | None]
    covers: Mapped[bool]
    model: Mapped[str]
    template: Mapped[str]
    review: Mapped[str] = mapped_column(String(16))
    reviewed_by: Mapped[str | None] = mapped_column(Id)
    reviewed_at: Mapped[datetime | None]
    review_better: Mapped[str]


class JudgementReasonRow(Base):
    """The reasons of judgements once more, to find judgements by them."""

    __tablename__ = "judgement_reasons"
    __table_args__ = (Index("ix_judgement_reasons_reason", "reason", "at", "judgement_id"),)

    judgement_id: Mapped[str] = mapped_column(
        Id, ForeignKey("judgements.id", ondelete="CASCADE"), primary_key=True
    )
    reason: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[datetime]


class ComparisonRow(Base):
    """Two replies to one message, side by side, and the vote on them. The sides' words and origins are those
    of their messages, which never change. asked_id: the message they answer. models: their names, as the
    server knows them; settings: what the replies were made with. `closed_at` is NULL while the sides are
    still hidden from their person."""

    __tablename__ = "comparisons"
    __table_args__ = (
        Index("ix_comparisons_at", "at", "id"),
        Index("ix_comparisons_link_id", "link_id", "left_model", "right_model", "preferred"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"))
    asked_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    left_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    right_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    left_model: Mapped[str]
    right_model: Mapped[str]
    left_settings: Mapped[dict[str, Any]]
    right_settings: Mapped[dict[str, Any]]
    link_id: Mapped[str | None] = mapped_column(Id)
    at: Mapped[datetime]
    preferred: Mapped[str | None] = mapped_column(String(8))
    left_good: Mapped[bool | None]
    right_good: Mapped[bool | None]
    comment: Mapped[str] = mapped_column(server_default="")
    voted_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    consent: Mapped[dict[str, Any] | None]
    review: Mapped[dict[str, Any] | None]


class QueueRow(Base):
    """Replies or comparisons that reviewers judge. wanted: the filter its items were found by. reviews: how
    many each item gets. reviewers: ids of owners; empty for everybody who signs in."""

    __tablename__ = "queues"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[dict[str, Any]]
    reviews: Mapped[int]
    reviewers: Mapped[list[Any]]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(index=True)


class QueueItemRow(Base):
    """What is reviewed: a reply, or a comparison. given: its reviews, without skips."""

    __tablename__ = "queue_items"
    __table_args__ = (Index("ix_queue_items_queue_id", "queue_id", "given", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    queue_id: Mapped[str] = mapped_column(Id, ForeignKey("queues.id"))
    message_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("messages.id", ondelete="CASCADE"), index=True
    )
    comparison_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("comparisons.id", ondelete="CASCADE"), index=True
    )
    given: Mapped[int]


class ReviewRow(Base):
    """A reviewer's place at an item: reserved until a time, while `verdict` is empty. What they said besides
    is a judgement or a comparison of theirs."""

    __tablename__ = "reviews"
    __table_args__ = (
        Index("ix_reviews_reviewer_id", "reviewer_id", "queue_id", "verdict"),
        Index("ix_reviews_queue_id", "queue_id", "verdict"),
    )

    item_id: Mapped[str] = mapped_column(
        Id, ForeignKey("queue_items.id", ondelete="CASCADE"), primary_key=True
    )
    reviewer_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    queue_id: Mapped[str] = mapped_column(Id, ForeignKey("queues.id"))
    until: Mapped[datetime]
    verdict: Mapped[str] = mapped_column(String(8))
