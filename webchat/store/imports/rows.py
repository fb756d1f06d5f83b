"""The rows of imported messages. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from webchat.store.database.codec import clean, dump_calls, dump_failure, dump_provenance, dump_use, new_id
from webchat.store.import_records import OURS, ImportedConversation, ImportedMessage, ImportedTurn

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageRows:
    """What a slice inserts."""

    messages: Sequence[Values]
    turns: Sequence[Values]
    judgements: Sequence[Values]
    entries: Sequence[Values]
    sources: Sequence[Values]


def rows_of(
    owner: str,
    conversation_id: str,
    messages: Sequence[ImportedMessage],
    ids: Mapping[str, str],
    imported: ImportedConversation,
) -> MessageRows:
    """messages: named by their keys, and ids: of messages here by such keys."""
    turns = [
        _turn(conversation_id, message, message.turn, ids, renames=imported.product == OURS)
        for message in messages
        if message.turn is not None
    ]
    return MessageRows(
        messages=[_message(owner, conversation_id, message, ids) for message in messages],
        turns=turns,
        judgements=[_judgement(owner, ids[message.id], message) for message in messages if message.rating],
        entries=[
            {
                "owner_id": owner,
                "conversation_id": conversation_id,
                "message_id": ids[message.id],
                "owed": 1,
            }
            for message in messages
        ],
        sources=[
            {"conversation_id": conversation_id, "source": message.id, "message_id": ids[message.id]}
            for message in messages
        ],
    )


def _message(owner: str, conversation_id: str, message: ImportedMessage, ids: Mapping[str, str]) -> Values:
    parent = message.parent and ids[message.parent]
    return {
        "id": ids[message.id],
        "conversation_id": conversation_id,
        "parent_id": parent,
        "under_id": parent or conversation_id,
        "role": message.role,
        "author_id": owner if message.by_person else None,
        "text": clean(message.text),
        "reasoning": clean(message.reasoning),
        "seq": message.seq,
        "model": message.model and clean(message.model),
        "continues": message.continues and ids.get(message.continues),
        "created_at": _at(message),
        "template": dump_use(message.template),
        "tool_calls": dump_calls(message.tool_calls),
        "tool_call_id": message.tool_call_id and clean(message.tool_call_id),
    }


def _turn(
    conversation_id: str,
    message: ImportedMessage,
    turn: ImportedTurn,
    ids: Mapping[str, str],
    *,
    renames: bool,
) -> Values:
    """renames: messages of this conversation are named in what is known about the reply."""
    provenance = turn.provenance
    if renames:
        details = _renamed(dict(provenance.details), ids)
        prompt = tuple(_renamed(dict(one), ids) for one in provenance.prompt)
        provenance = replace(provenance, prompt=prompt, details=details)
    return {
        **dump_provenance(provenance),
        "message_id": ids[message.id],
        "conversation_id": conversation_id,
        "client_key": new_id(),
        "state": turn.state,
        "begun_at": _at(message),
        "finished_at": turn.finished_at or _at(message),
        "finish_reason": turn.finish_reason,
        "failure": dump_failure(turn.failure),
        "reasoning_seconds": turn.reasoning_seconds,
    }


def _judgement(owner: str, message_id: str, message: ImportedMessage) -> Values:
    """A rating, as if it were given now: nobody's consent covers it."""
    at = message.at or datetime.now(UTC)
    provenance = None if message.turn is None else message.turn.provenance
    return {
        "id": new_id(),
        "message_id": message_id,
        "owner_id": owner,
        "at": at,
        "day": at.date().isoformat(),
        "changed_at": at,
        "rating": message.rating,
        "reasons": [],
        "comment": "",
        "answers": [],
        "better": "",
        "corrects": False,
        "covers": False,
        "model": (provenance and provenance.model) or "",
        "template": (provenance and provenance.template) or "",
        "review": "new",
        "review_better": "",
    }


def _at(message: ImportedMessage) -> datetime:
    return message.at or datetime.now(UTC)


def _renamed(value: object, ids: Mapping[str, str]) -> Any:
    """A JSON value in which ids of messages are those they have here."""
    match value:
        case str():
            return ids.get(value, value)
        case Mapping():
            return {key: _renamed(one, ids) for key, one in value.items()}
        case list() | tuple():
            return [_renamed(one, ids) for one in value]
        case _:
            return value
