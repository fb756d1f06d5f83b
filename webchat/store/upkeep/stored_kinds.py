"""Where texts of people and models are stored: what is looked at when rules have changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from backends.texts import closed, is_deep, opened
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementRow
from webchat.store.database.tables.links import AnswerRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.sharing import ImportSourceRow, ShareMessageRow, ShareRow

Column = InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of row. table, key: where it is, and its primary key. texts: its columns with one text each.
    values: its columns of JSON, and below which keys the texts in them are; empty for everywhere. at: when it
    was written. owner, conversation, message, model: whose it is, in the rows that `joined` adds.
    """

    table: Any
    key: tuple[Column, ...]
    at: Column
    owner: Column
    texts: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] | None = None
    conversation: Column | None = None
    message: Column | None = None
    model: Column | None = None
    among: ColumnElement[bool] | None = None

    def query(self) -> Select[Any]:
        """All rows, each with its texts under the names of their columns."""
        names = (*self.texts, *(self.values or {}))
        beside = {"conversation": self.conversation, "message": self.message, "model": self.model}
        query = select(
            *(column.label(f"key_{number}") for number, column in enumerate(self.key)),
            OwnerRow.id.label("owner"),
            OwnerRow.link_id.label("link"),
            *(column.label(f"its_{name}") for name, column in beside.items() if column is not None),
            *(getattr(self.table, name) for name in names),
        ).select_from(self.table)
        if self.table in (TurnRow, JudgementRow):
            query = query.join(MessageRow, MessageRow.id == self.table.message_id)
        if self.table is MessageRow:
            query = query.outerjoin(TurnRow, TurnRow.message_id == MessageRow.id)
        if self.owner.class_ is ConversationRow and self.table is not ConversationRow:
            query = query.join(ConversationRow, ConversationRow.id == self.conversation)
        if self.table is ShareMessageRow:
            query = query.join(ShareRow, ShareRow.id == ShareMessageRow.share_id)
        query = query.join(OwnerRow, OwnerRow.id == self.owner)
        return query if self.among is None else query.where(self.among)


ENDED = or_(TurnRow.message_id.is_(None), TurnRow.finished_at.is_not(None))
"""Not of a reply that is still written: those pass the rules anyway."""

KINDS: Mapping[str, Kind] = {
    "message": Kind(
        MessageRow,
        (MessageRow.id,),
        MessageRow.created_at,
        ConversationRow.owner_id,
        ("text", "reasoning"),
        {"template": ("values",), "tool_calls": ("name", "arguments")},
        MessageRow.conversation_id,
        MessageRow.id,
        MessageRow.model,
        ENDED,
    ),
    "turn": Kind(
        TurnRow,
        (TurnRow.message_id,),
        TurnRow.begun_at,
        ConversationRow.owner_id,
        (),
        {"prompt": ("content",), "details": (), "options": ()},
        TurnRow.conversation_id,
        TurnRow.message_id,
        TurnRow.model,
        TurnRow.finished_at.is_not(None),
    ),
    "conversation": Kind(
        ConversationRow,
        (ConversationRow.id,),
        ConversationRow.updated_at,
        ConversationRow.owner_id,
        ("title",),
        {"settings": ("system_prompt", "inputs", "values")},
        ConversationRow.id,
    ),
    "judgement": Kind(
        JudgementRow,
        (JudgementRow.id,),
        JudgementRow.changed_at,
        JudgementRow.owner_id,
        ("comment", "better", "review_better"),
        {"answers": ()},
        MessageRow.conversation_id,
        JudgementRow.message_id,
    ),
    "comparison": Kind(
        ComparisonRow,
        (ComparisonRow.id,),
        ComparisonRow.at,
        ComparisonRow.owner_id,
        ("comment",),
        None,
        ComparisonRow.conversation_id,
    ),
    "share": Kind(
        ShareRow,
        (ShareRow.id,),
        ShareRow.created_at,
        ShareRow.owner_id,
        ("title",),
        None,
        ShareRow.conversation_id,
    ),
    "shared": Kind(
        ShareMessageRow,
        (ShareMessageRow.share_id, ShareMessageRow.number),
        ShareMessageRow.created_at,
        ShareRow.owner_id,
        ("text", "reasoning"),
        {"tool_calls": ("name", "arguments")},
        ShareRow.conversation_id,
        None,
        ShareMessageRow.model,
    ),
    "import": Kind(
        ImportSourceRow,
        (ImportSourceRow.owner_id, ImportSourceRow.product, ImportSourceRow.source),
        ImportSourceRow.at,
        ImportSourceRow.owner_id,
        (),
        {"details": ()},
        ImportSourceRow.conversation_id,
    ),
    "answer": Kind(
        AnswerRow,
        (AnswerRow.owner_id, AnswerRow.question_id),
        AnswerRow.at,
        AnswerRow.owner_id,
        ("text",),
    ),
}
"""In the order in which they are looked at."""


_ARGUMENTS = "arguments"
"""The key of a text that is JSON itself, whose escapes could hide something."""


def strings_in(value: object, below: tuple[str, ...]) -> Iterator[str]:
    """The texts in a value of JSON, under keys that count. Of the arguments of tool calls, those in them and
    their keys."""
    if isinstance(value, str):
        if not below:
            yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            inside = () if key in below else below
            if key == _ARGUMENTS and not inside and isinstance(one, str):
                arguments = _parsed(one)
                if arguments is None:
                    yield opened(one)
                else:
                    yield from _names_in(arguments)
                    yield from strings_in(arguments, ())
            else:
                yield from strings_in(one, inside)
    elif isinstance(value, list):
        for one in value:
            yield from strings_in(one, below)


def with_string(value: object, below: tuple[str, ...], was: str, becomes: str) -> Any:
    """The value with one of its texts replaced wherever it is."""
    if isinstance(value, str):
        return becomes if not below and value == was else value
    if isinstance(value, dict):
        return {
            key: _with_argument(one, was, becomes)
            if key == _ARGUMENTS and (key in below or not below)
            else with_string(one, () if key in below else below, was, becomes)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [with_string(one, below, was, becomes) for one in value]
    return value


def _parsed(arguments: object) -> Any:
    """The object in a text of JSON; `None` for anything else, and for one that is nested too deeply."""
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not is_deep(value) else None


def _names_in(value: object) -> Iterator[str]:
    """The keys in a value of JSON."""
    if isinstance(value, dict):
        yield from value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names_in(one)


def _with_argument(arguments: object, was: str, becomes: str) -> Any:
    """Arguments with one of their texts replaced, which stay as they were written if it is not there."""
    value = _parsed(arguments)
    if value is None:
        if isinstance(arguments, str):
            return closed(becomes) if opened(arguments) == was else arguments
        return with_string(arguments, (), was, becomes)
    if was not in (*_names_in(value), *strings_in(value, ())):
        return arguments
    changed = with_string(_renamed(value, was, becomes), (), was, becomes)
    return json.dumps(changed, ensure_ascii=False)


def _renamed(value: object, was: str, becomes: str) -> Any:
    if isinstance(value, dict):
        return {becomes if key == was else key: _renamed(one, was, becomes) for key, one in value.items()}
    return [_renamed(one, was, becomes) for one in value] if isinstance(value, list) else value
