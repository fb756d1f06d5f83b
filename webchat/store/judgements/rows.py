"""Rows of judgements as records."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import Connection, Row, Select, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.sql.elements import ColumnElement

from webchat.store.database.codec import clean, load_question
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementReasonRow, JudgementRow
from webchat.store.database.tables.links import ConsentRow, LinkRow
from webchat.store.database.tables.people import OwnerRow, PersonRow
from webchat.store.errors import NotFound
from webchat.store.judgement_records import Answer, Consent, Judged, Judgement, Review
from webchat.store.testers.verbs import agreed

_OWN_VOTE = aliased(ComparisonRow)


def judgements_query(*, reasons: bool = False) -> Select[Any]:
    """Judgements with their conversation, their link's name, and who the owner of the conversation is.
    reasons: one for each reason of theirs. PostgreSQL plans no more than eight tables together, so those are
    the first: they are what is looked for."""
    query = select(
        *JudgementRow.__table__.columns,
        MessageRow.conversation_id,
        ConversationRow.owner_id.label("author_id"),
        LinkRow.name.label("link"),
    )
    if reasons:
        given = JudgementReasonRow.judgement_id == JudgementRow.id
        query = query.select_from(JudgementReasonRow).join(JudgementRow, given)
    return (
        query.join(MessageRow, MessageRow.id == JudgementRow.message_id)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
        .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
        .outerjoin(LinkRow, LinkRow.id == JudgementRow.link_id)
    )


def must_operate(connection: Connection, operator: str) -> None:
    """Raises NotFound for somebody who does not operate."""
    kind = connection.scalar(select(OwnerRow.kind).where(OwnerRow.id == operator))
    if kind not in ("operator", "local"):
        raise NotFound("operator")


def is_live() -> ColumnElement[bool]:
    """Whether what was judged is not in the trash."""
    return and_(MessageRow.deleted_at.is_(None), ConversationRow.deleted_at.is_(None))


def trains(of: type[JudgementRow] | type[ComparisonRow] = JudgementRow) -> ColumnElement[bool]:
    """Whether the person of the chat agreed that it trains models: operators always do, members in their own
    page, testers by the sentence they accepted before they began the chat. Nobody else was asked. What
    reviewers say of others' chats is said for that."""
    before = exists().where(
        ConsentRow.owner_id == ConversationRow.owner_id,
        ConsentRow.version == of.consent["version"].as_integer(),
        ConsentRow.at <= ConversationRow.created_at,
    )
    before = before.correlate(of, ConversationRow)  # also where this is asked inside another subquery
    covers = JudgementRow.covers if of is JudgementRow else of.consent["covers"].as_boolean()
    return or_(
        OwnerRow.kind.in_(("local", "operator")),
        and_(OwnerRow.kind == "member", PersonRow.trains),
        and_(OwnerRow.kind == "guest", covers, before),
    )


def judged_themselves(rating: int | None = None) -> ColumnElement[bool]:
    """Whether the person of a chat judged a reply, in a query with both."""
    theirs = (JudgementRow.message_id == MessageRow.id, JudgementRow.owner_id == ConversationRow.owner_id)
    return exists().where(*theirs, *(() if rating is None else (JudgementRow.rating == rating,)))


def _voted_themselves() -> ColumnElement[bool]:
    """Whether the person of a chat voted on a reply, in a query with both."""
    return exists().where(
        or_(_OWN_VOTE.left_id == MessageRow.id, _OWN_VOTE.right_id == MessageRow.id),
        _OWN_VOTE.owner_id == ConversationRow.owner_id,
        _OWN_VOTE.voted_at.is_not(None),
    )


def may_replay(viewer: str | ColumnElement[str] | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Whether an operator may have the message before a reply answered again, and read both: in a query with
    the reply, its conversation, its owner, and what they are and came by, `replayed_from`. Never NULL.

    viewer: the operator's id. Their own chats are theirs to use. Members, if they agreed to training, and
    other operators show only the replies that they judged or voted on themselves. Testers agreed to it with
    training, either before they began the chat or before they judged the reply in it."""
    operates = OwnerRow.kind.in_(("local", "operator"))
    chosen = or_(judged_themselves(), _voted_themselves())
    covered = and_(agreed(), LinkRow.terms["training"].as_boolean())
    judged = exists().where(JudgementRow.message_id == MessageRow.id, trains())
    agrees = or_(
        and_(operates, or_(OwnerRow.id == viewer, chosen)),
        and_(OwnerRow.kind == "member", PersonRow.trains, chosen),
        and_(OwnerRow.kind == "guest", or_(covered, judged)),
    )
    return cast("ColumnElement[bool]", func.coalesce(agrees, False))


def replayed_from(query: Any) -> Any:
    """A `Select` of messages with what `may_replay` looks at."""
    return (
        query.join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
        .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
        .outerjoin(LinkRow, LinkRow.id == OwnerRow.link_id)
    )


def load_judgement(row: Row[Any], judged: Judged | None = None) -> Judgement:
    return Judgement(
        id=row.id,
        owner_id=row.owner_id,
        author_id=row.author_id,
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        link_id=row.link_id,
        link=row.link or "",
        at=row.at,
        changed_at=row.changed_at,
        seq=row.seq,
        rating=row.rating,
        reasons=tuple(row.reasons),
        comment=row.comment,
        answers=tuple(Answer(load_question(one["question"]), one["value"]) for one in row.answers),
        better=row.better,
        consent=None if row.consent is None else Consent(**row.consent),
        review=Review(row.review, row.reviewed_by, row.reviewed_at, row.review_better),
        judged=judged,
    )


def dump_answers(answers: tuple[Answer, ...]) -> list[dict[str, Any]]:
    return [
        {
            "question": asdict(one.question),
            "value": clean(one.value) if isinstance(one.value, str) else one.value,
        }
        for one in answers
    ]
