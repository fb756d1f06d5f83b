"""What an event says, read from what is stored when it is sent: what was deleted in between is not told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select
from sqlalchemy.orm import aliased

from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.tables.people import OwnerRow, PersonRow
from webchat.store.database.transactions import Database, reads
from webchat.store.judgements.reviewing import readable
from webchat.store.judgements.rows import is_live, trains
from webchat.store.testers.verbs import agreed
from webchat.store.webhook_records import Delivery, EventData

_ASKED = aliased(MessageRow)


class WebhookDataVerbs(Database):
    """Reading what happened, for the operators who want to be told."""

    @reads
    def event_data(self, connection: Connection, delivery: Delivery, *, content: bool) -> EventData | None:
        """The facts of an event, and, where operators may read them, its texts. `None` for what is not there
        any more."""
        match delivery.event:
            case "reply.ended":
                return _reply(connection, delivery.subject, content)
            case "judgement.saved":
                return _judgement(connection, delivery.subject, content)
            case "vote.saved":
                return _vote(connection, delivery.subject, content)
            case _:
                return {}


def _reply(connection: Connection, message_id: str, content: bool) -> EventData | None:
    row = connection.execute(_REPLIES.where(MessageRow.id == message_id)).first()
    if row is None:
        return None
    told = {name: getattr(row, name) for name in _OF_REPLY} | _person(row)
    if content and row.readable:
        told |= {"asked": row.asked or "", "text": row.text}
    return told


def _judgement(connection: Connection, judgement_id: str, content: bool) -> EventData | None:
    row = connection.execute(_JUDGEMENTS.where(JudgementRow.id == judgement_id)).first()
    if row is None:
        return None
    told = {name: getattr(row, name) for name in _OF_JUDGEMENT} | _person(row)
    if content and row.readable:
        told |= {name: getattr(row, name) for name in ("comment", "better")}
        told |= {"asked": row.asked or "", "text": row.text}
    return told


def _vote(connection: Connection, comparison_id: str, content: bool) -> EventData | None:
    row = connection.execute(_VOTES.where(ComparisonRow.id == comparison_id)).first()
    if row is None:
        return None
    told = {name: getattr(row, name) for name in _OF_VOTE} | _person(row)
    if content and row.readable:
        told["comment"] = row.comment
    return told


def _person(row: Row[Any]) -> EventData:
    return {"person": {"id": row.owner_id, "kind": row.owner_kind}, "link_id": row.owner_link}


_OF_REPLY = (
    "message_id", "conversation_id", "parent_id", "state", "model", "finish_reason", "prompt_tokens",
    "completion_tokens", "created_at", "finished_at", "key_id",
)  # fmt: skip
_OF_JUDGEMENT = (
    "judgement_id", "message_id", "conversation_id", "model", "rating", "reasons", "judged_by", "at",
    "changed_at",
)  # fmt: skip
_OF_VOTE = (
    "comparison_id", "conversation_id", "left_model", "right_model", "preferred", "left_good", "right_good",
    "voted_at",
)  # fmt: skip

_PERSON = (
    OwnerRow.id.label("owner_id"),
    OwnerRow.kind.label("owner_kind"),
    OwnerRow.link_id.label("owner_link"),
)
_THEIR_OWN = OwnerRow.kind.in_(("local", "operator"))
_TESTERS = and_(OwnerRow.kind == "guest", agreed())
"""Chats that operators read elsewhere, too: their own, and those of testers who agreed to it."""

_REPLIES: Any = (
    select(
        MessageRow.id.label("message_id"),
        MessageRow.conversation_id,
        MessageRow.parent_id,
        MessageRow.text,
        MessageRow.created_at,
        _ASKED.text.label("asked"),
        TurnRow.state,
        TurnRow.model,
        TurnRow.finish_reason,
        TurnRow.prompt_tokens,
        TurnRow.completion_tokens,
        TurnRow.finished_at,
        TurnRow.key_id,
        or_(_THEIR_OWN, _TESTERS).label("readable"),
        *_PERSON,
    )
    .join(TurnRow, TurnRow.message_id == MessageRow.id)
    .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
    .outerjoin(LinkRow, LinkRow.id == OwnerRow.link_id)
    .outerjoin(_ASKED, _ASKED.id == MessageRow.parent_id)
    .where(
        ConversationRow.kind == "chat", ConversationRow.deleted_at.is_(None), MessageRow.deleted_at.is_(None)
    )
)
_JUDGEMENTS: Any = (
    select(
        JudgementRow.id.label("judgement_id"),
        JudgementRow.message_id,
        JudgementRow.owner_id.label("judged_by"),
        MessageRow.conversation_id,
        JudgementRow.model,
        JudgementRow.rating,
        JudgementRow.reasons,
        JudgementRow.at,
        JudgementRow.changed_at,
        JudgementRow.comment,
        JudgementRow.better,
        MessageRow.text,
        _ASKED.text.label("asked"),
        readable().label("readable"),
        *_PERSON,
    )
    .join(MessageRow, MessageRow.id == JudgementRow.message_id)
    .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
    .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
    .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
    .outerjoin(LinkRow, LinkRow.id == OwnerRow.link_id)
    .outerjoin(_ASKED, _ASKED.id == MessageRow.parent_id)
    .where(is_live())
)
_VOTES: Any = (
    select(
        ComparisonRow.id.label("comparison_id"),
        *(getattr(ComparisonRow, name) for name in _OF_VOTE if name != "comparison_id"),
        ComparisonRow.comment,
        trains(ComparisonRow).label("readable"),
        *_PERSON,
    )
    .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
    .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
    .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
    .where(ConversationRow.deleted_at.is_(None), ComparisonRow.voted_at.is_not(None))
)
