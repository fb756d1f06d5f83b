"""Comparisons as the database has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from webchat.store.database.codec import load_settings
from webchat.store.database.tables.conversations import ConversationRow
from webchat.store.database.tables.judgements import ComparisonRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.judgement_records import Comparison, Consent, Review, Side
from webchat.store.judgements.snapshots import judged_together

COMPARISONS: Any = (
    select(
        *ComparisonRow.__table__.columns,
        ConversationRow.owner_id.label("author_id"),
        LinkRow.name.label("link"),
    )
    .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
    .outerjoin(LinkRow, LinkRow.id == ComparisonRow.link_id)
)
"""Comparisons with their conversation and their link's name."""


def load_comparison(row: Row[Any]) -> Comparison:
    return Comparison(
        id=row.id,
        owner_id=row.owner_id,
        author_id=row.author_id,
        conversation_id=row.conversation_id,
        asked_id=row.asked_id,
        link_id=row.link_id,
        link=row.link or "",
        at=row.at,
        left=Side(row.left_id, row.left_model, row.left_good),
        right=Side(row.right_id, row.right_model, row.right_good),
        preferred=row.preferred,
        comment=row.comment,
        voted_at=row.voted_at,
        closed_at=row.closed_at,
        consent=None if row.consent is None else Consent(**row.consent),
        review=Review() if row.review is None else _review(row.review),
    )


def with_judged(connection: Connection, found: Comparison) -> Comparison:
    """With both replies as they were judged."""
    left, right = judged_together(connection, found.left.message_id, found.right.message_id)
    return replace(found, left=replace(found.left, judged=left), right=replace(found.right, judged=right))


def with_settings(found: Comparison, row: Row[Any]) -> Comparison:
    """With what both sides were made with."""
    left = replace(found.left, settings=load_settings(row.left_settings))
    right = replace(found.right, settings=load_settings(row.right_settings))
    return replace(found, left=left, right=right)


def _review(stored: Mapping[str, Any]) -> Review:
    at = stored.get("at")
    return Review(stored["state"], stored.get("by"), datetime.fromisoformat(at) if at else None)
