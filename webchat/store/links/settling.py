"""Counting what a reply took, for its link and for whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.orm import aliased

from webchat.store.database.codec import load_calls
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.tables.people import OwnerRow


@dataclass(frozen=True, slots=True)
class Taken:
    """messages: 0 for a reply of which nothing came, which is given back."""

    tokens: int
    messages: int


def settle_turn(connection: Connection, state: str, turn: Row[Any], written: str) -> None:
    """Count a turn of a link that has ended."""
    count = taken(state, turn, written)
    counts = {"used": count.tokens, "back": 1 - count.messages}
    connection.execute(_SETTLE, {"link": turn.link_id, **counts})
    connection.execute(_SETTLE_PERSON, {"conversation": turn.conversation_id, **counts})


def settled_early(connection: Connection, link_id: str) -> list[tuple[str, Taken]]:
    """What replies took that are still compared with running ones, and whose they are. It is counted, but
    whoever saw the count change would know which side ended first, and how much it had."""
    rows: Any = connection.execute(_BESIDE_RUNNING, {"link": link_id})
    return [(row.owner_id, taken(row.state, row, row.text + row.reasoning + _called(row))) for row in rows]


def _called(row: Row[Any]) -> str:
    return "".join(call.name + call.arguments for call in load_calls(row.tool_calls))


def taken(state: str, turn: Row[Any], written: str) -> Taken:
    """What a reply took, as its model reported it, else by what was written: about three bytes are a token in
    every language. Never more than was reserved: there the reply was ended, whatever its endpoint goes on to
    charge."""
    tokens = turn.completion_tokens
    if tokens is None:
        tokens = -(-len(written.encode()) // 3)
    if turn.reserved is not None:
        tokens = min(tokens, turn.reserved)
    nothing = state in ("failed", "interrupted") and not written
    return Taken(tokens, 1 - nothing)


_SETTLE_PERSON = (
    update(OwnerRow)
    .where(
        OwnerRow.id
        == select(ConversationRow.owner_id)
        .where(ConversationRow.id == bindparam("conversation"))
        .scalar_subquery()
    )
    .values(tokens=OwnerRow.tokens + bindparam("used"), messages=OwnerRow.messages - bindparam("back"))
)
_SETTLE = (
    update(LinkRow)
    .where(LinkRow.id == bindparam("link"))
    .values(tokens=LinkRow.tokens + bindparam("used"), messages=LinkRow.messages - bindparam("back"))
)
_RUNNING = aliased(TurnRow)
_BESIDE_RUNNING = (
    select(
        ConversationRow.owner_id,
        TurnRow.state,
        TurnRow.completion_tokens,
        TurnRow.reserved,
        MessageRow.tool_calls,
        MessageRow.text,
        MessageRow.reasoning,
    )
    .join(_RUNNING, _RUNNING.compared_in == TurnRow.compared_in)
    .join(MessageRow, MessageRow.id == TurnRow.message_id)
    .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
    .where(
        _RUNNING.link_id == bindparam("link"),
        _RUNNING.finished_at.is_(None),
        _RUNNING.compared_in.is_not(None),
        TurnRow.finished_at.is_not(None),
    )
)
