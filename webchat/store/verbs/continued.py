"""Kept calls that go on from earlier ones.

An agent sends its whole conversation with each call. One that begins with what an earlier kept call was asked
and answered, word for word, adds to that call's conversation what is new, instead of storing all of it again.
The earlier one is found by the hash of what it was asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from backends.types import Message as Given
from backends.types import ToolCall
from webchat.store.database.codec import clean, load_calls, now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.transactions import reads, writes
from webchat.store.links.links import count_turn
from webchat.store.people.keys import check_tokens
from webchat.store.records import BegunTurn, NewTurn
from webchat.store.search.index import add_entry
from webchat.store.verbs.calls import CallVerbs, path_of, row_of, rows_of
from webchat.store.verbs.tree import (
    ABOVE,
    check_versions,
    messages_by_id,
    own_conversation,
    own_message,
)
from webchat.store.verbs.turns import open_turn

MOST_PLACES = 20
"""Replies of a path, the last ones, from which it may go on."""

MOST_MESSAGES = 2000
"""Of a path that goes on from an earlier one."""

_MOST_FOUND = 20
"""Rows that are compared."""

_ADD = insert(MessageRow)
_SAME = (MessageRow.text, MessageRow.tool_calls, MessageRow.tool_call_id)
_ANSWERED = (
    select(MessageRow.id, MessageRow.conversation_id, *_SAME, TurnRow.path_hash)
    .join(TurnRow, TurnRow.message_id == MessageRow.id)
    .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
    .where(
        TurnRow.path_hash.in_(bindparam("hashes", expanding=True)),
        TurnRow.finished_at.is_not(None),
        ConversationRow.owner_id == bindparam("owner"),
        ConversationRow.deleted_at.is_(None),
        MessageRow.deleted_at.is_(None),
    )
    .order_by(MessageRow.id.desc())
    .limit(_MOST_FOUND)
)
_BELOW = (
    select(MessageRow.id, *_SAME)
    .where(
        MessageRow.under_id == bindparam("under"),
        MessageRow.role == bindparam("role"),
        MessageRow.deleted_at.is_(None),
    )
    .order_by(MessageRow.created_at.desc(), MessageRow.id.desc())
    .limit(_MOST_FOUND)
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A kept call that another one goes on from. ids: of its messages, the reply last."""

    conversation_id: str
    ids: Sequence[str]


def path_hashes(system: str | None, path: Sequence[Given]) -> list[str]:
    """Of each beginning of a path, from the one with a single message on."""
    hashes: list[str] = []
    before = system or ""
    for message in path:
        calls = [_compared(call) for call in message.tool_calls]
        said = [before, message.role, clean(message.text), calls, message.tool_call_id]
        before = sha256(json.dumps(said).encode()).hexdigest()
        hashes.append(before)
    return hashes


class ContinuedCallVerbs(CallVerbs):
    """The operations of kept calls that go on."""

    @reads
    def earlier_call(
        self, connection: Connection, owner: str, path: Sequence[Given], hashes: Sequence[str]
    ) -> Earlier | None:
        """The last reply in a path that an earlier kept call of this owner was answered with. hashes: of the
        path."""
        places = {hashes[at - 1]: at for at, one in enumerate(path) if at and one.role == "assistant"}
        wanted = list(places)[-MOST_PLACES:]
        if not wanted or len(path) > MOST_MESSAGES:
            return None
        rows = connection.execute(_ANSWERED, {"owner": owner, "hashes": wanted}).all()
        for row in sorted(rows, key=lambda row: (places[row.path_hash], row.id), reverse=True):
            place = places[row.path_hash]
            if _says(row, path[place]):
                ids = connection.scalars(ABOVE, {"end": row.id, "limit": MOST_MESSAGES}).all()
                return Earlier(row.conversation_id, ids) if len(ids) == place + 1 else None
        return None

    @writes
    def continue_call(
        self, connection: Connection, owner: str, new: NewTurn, path: Sequence[Given], earlier: Earlier
    ) -> BegunTurn:
        """Store what a call adds to an earlier one, and an empty reply. What was asked there before is not
        stored twice: another reply to it is another version. Raises NotFound, also if it was deleted
        meanwhile, TooManyVersions, and what `begin_call` raises."""
        if (begun := self._turn_by_key(connection, owner, new.client_key)) is not None:
            return begun
        own_conversation(connection, owner, earlier.conversation_id, lock=True)
        own_message(connection, owner, earlier.ids[-1])
        ids = list(earlier.ids)
        while len(ids) < len(path) and (child := _child(connection, ids[-1], path[len(ids)])):
            ids.append(child)
        moment = now()
        added = rows_of(path[len(ids) :], earlier.conversation_id, owner, moment, ids[-1])
        ids += [row["id"] for row in added]
        reply = row_of(earlier.conversation_id, ids[-1], "assistant", moment)
        reply |= {"client_key": new.client_key, "model": new.model}
        connection.execute(_ADD, [*added, reply])
        first = (*added, reply)[0]
        check_versions(connection, first["under_id"], first["role"])
        for row in added:
            add_entry(connection, owner, earlier.conversation_id, row["id"], row["text"])
        tokens = None
        if new.link_id is not None:
            tokens = count_turn(connection, owner, new.link_id, new.tokens, opens=False)
        if new.key_id is not None:
            check_tokens(connection, new.key_id)
        opened = open_turn(connection, earlier.conversation_id, reply["id"], new, tokens, self.replica)
        rows = [
            {"id": id, "role": one.role, "text": clean(one.text)} for id, one in zip(ids, path, strict=True)
        ]
        (message,) = messages_by_id(connection, [reply["id"]])
        return BegunTurn(opened, None, message, True, new.asked, tokens, path=path_of(path, rows, reply))


def _child(connection: Connection, under: str, message: Given) -> str | None:
    """A message under another one that says the same."""
    rows = connection.execute(_BELOW, {"under": under, "role": message.role})
    return next((row.id for row in rows if _says(row, message)), None)


def _says(row: Any, given: Given) -> bool:
    said = [_compared(call) for call in load_calls(row.tool_calls)]
    wanted = [_compared(call) for call in given.tool_calls]
    return (row.text, said, row.tool_call_id) == (clean(given.text), wanted, given.tool_call_id)


def _compared(call: ToolCall) -> tuple[str, str, str]:
    """Arguments by their value: some APIs write them anew."""
    try:
        value = json.dumps(json.loads(call.arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        value = call.arguments
    return call.id, call.name, value
