"""Verbs on the calls of programs: each brings its whole conversation along.

A call that is not to be kept is in a conversation that was deleted from the beginning, with a moment of its
own (`FLEETING`): nothing lists, opens, searches, exports or restores it. It is journaled like any other, so
that no reply is shown that was not stored, and erased when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from backends.types import Message as Given
from webchat.store.database.codec import (
    clean,
    dump_calls,
    dump_settings,
    load_conversation,
    new_id,
    now,
    title_of,
)
from webchat.store.database.dialect import Debt
from webchat.store.database.tables import (
    DISCARDED,
    FLEETING,
    ConversationRow,
    InspectionRow,
    JournalRow,
    MediaRow,
    MessageRow,
    PlaceholderRow,
    SearchEntryRow,
    TurnRow,
)
from webchat.store.database.transactions import writes
from webchat.store.errors import NotFound
from webchat.store.links.links import count_turn
from webchat.store.people.keys import check_tokens
from webchat.store.records import BegunTurn, ConversationSettings, Message, NewTurn, PathMessage
from webchat.store.search.index import add_entry, comes_in_parts, owe
from webchat.store.verbs.tree import conversations_query, messages_by_id
from webchat.store.verbs.turns import TurnVerbs, open_turn

MOST_AT_ONCE = 20
"""Messages of a call whose words are put into the search index with them."""

# Built once: building a statement costs several times what running it does.
_ADD_MESSAGES = insert(MessageRow)
_ADD_ENTRIES = insert(SearchEntryRow)
_BY_KEY = conversations_query().where(
    ConversationRow.owner_id == bindparam("owner"), ConversationRow.client_key == bindparam("key")
)
_REPLY = select(TurnRow.message_id, TurnRow.asked, TurnRow.reserved, TurnRow.replica_id).where(
    TurnRow.conversation_id == bindparam("conversation")
)
_FLEETING = select(ConversationRow.id).where(
    ConversationRow.id == bindparam("conversation"),
    ConversationRow.owner_id == bindparam("owner"),
    ConversationRow.deleted_at.in_((FLEETING, DISCARDED)),
)
_INSIDE = select(MessageRow.id).where(MessageRow.conversation_id == bindparam("conversation"))
_ERASE = (
    *(
        delete(table).where(table.message_id.in_(_INSIDE))
        for table in (JournalRow, InspectionRow, MediaRow, TurnRow)
    ),
    *(
        delete(table).where(table.conversation_id == bindparam("conversation"))
        for table in (MessageRow, PlaceholderRow)
    ),
    delete(ConversationRow).where(ConversationRow.id == bindparam("conversation")),
)


class CallVerbs(TurnVerbs):
    """The operations of calls."""

    @writes
    def begin_call(
        self, connection: Connection, owner: str, new: NewTurn, path: Sequence[Given], *, stored: bool
    ) -> BegunTurn:
        """Store a whole conversation and an empty reply to it. new: as for `begin_turn`, without places and
        texts. path: texts, at least one; if the last one is the assistant's, the reply writes on from it.
        stored: whether it is kept, for its owner to see.

        Asked again with the same client key, it begins nothing and returns `created=False`. Raises NotFound
        for an unknown owner, LinkEnded, LinkLimit, ConsentNeeded, KeyTokensUsed.
        """
        moment, id = now(), new_id()
        title = title_of(clean(next((one.text for one in reversed(path) if one.role == "user"), "")))
        conversation = {
            "id": id,
            "owner_id": owner,
            "client_key": new.client_key,
            "title": title if stored else "",
            "title_by": "auto",
            "pinned": False,
            "archived": False,
            "created_at": moment,
            "updated_at": moment,
            "deleted_at": None if stored else FLEETING,
            "settings": dump_settings(new.settings or ConversationSettings()),
        }
        try:
            if not self.dialect.insert_once(connection, ConversationRow, conversation):
                return self._begun_call(connection, owner, new.client_key)
        except IntegrityError as error:
            raise NotFound("owner") from error  # there is nothing else it refers to
        rows = _rows(path, id, owner, moment)
        reply = _reply(path, rows, new, moment)
        connection.execute(_ADD_MESSAGES, [*rows, reply])
        if stored:
            if comes_in_parts(sum(len(row["text"]) for row in rows)) or len(rows) > MOST_AT_ONCE:
                _owe_words(connection, owner, id, rows)
            else:
                add_entry(connection, owner, id, None, title)
                for row in rows:
                    add_entry(connection, owner, id, row["id"], row["text"])
        tokens = None
        if new.link_id is not None:
            tokens = count_turn(connection, owner, new.link_id, new.tokens, opens=True)
        if new.key_id is not None:
            check_tokens(connection, new.key_id)
        opened = open_turn(connection, id, reply["id"], new, tokens, self.replica)
        return BegunTurn(
            opened, None, _message(reply), True, new.asked, tokens, path=_as_path(path, rows, reply)
        )

    @writes
    def erase_call(self, connection: Connection, owner: str, conversation_id: str) -> None:
        """Delete a call that is not to be kept, with everything in it. Raises NotFound for any other
        conversation."""
        those = {"conversation": conversation_id}
        if connection.scalar(_FLEETING, {**those, "owner": owner}) is None:
            raise NotFound("conversation")
        if not self.dialect.owed(connection):
            self.dialect.owe(connection, Debt.LOG)
        for statement in _ERASE:
            connection.execute(statement, those)

    def _begun_call(self, connection: Connection, owner: str, client_key: str) -> BegunTurn:
        """What was begun with this key."""
        row = connection.execute(_BY_KEY, {"owner": owner, "key": client_key}).one()
        turn = connection.execute(_REPLY, {"conversation": row.id}).one()
        (reply,) = messages_by_id(connection, [turn.message_id])
        here = turn.replica_id == self.replica
        return BegunTurn(load_conversation(row), None, reply, False, turn.asked, turn.reserved, here=here)


def _owe_words(connection: Connection, owner: str, conversation: str, rows: Sequence[dict[str, Any]]) -> None:
    """Add the title and the messages to the index. Their words come soon after: those of a long path would
    hold the writer."""
    entry = {"owner_id": owner, "conversation_id": conversation, "owed": 1}
    messages: list[str | None] = [None, *(row["id"] for row in rows)]
    connection.execute(_ADD_ENTRIES, [{**entry, "message_id": id} for id in messages])
    owe(connection)


def _rows(path: Sequence[Given], conversation: str, owner: str, moment: datetime) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for message in path:
        parent = rows[-1]["id"] if rows else None
        row = _row(conversation, parent, message.role, moment)
        row |= {"text": clean(message.text), "author_id": owner}
        answers = message.tool_call_id and clean(message.tool_call_id)
        rows.append(row | {"tool_calls": dump_calls(message.tool_calls), "tool_call_id": answers})
    return rows


def _row(conversation: str, parent: str | None, role: str, moment: datetime) -> dict[str, Any]:
    """A message, as the next one in a conversation that nobody else knows."""
    return {
        "id": new_id(),
        "conversation_id": conversation,
        "parent_id": parent,
        "under_id": parent or conversation,
        "role": role,
        "client_key": None,
        "author_id": None,
        "text": "",
        "model": None,
        "continues": None,
        "tool_calls": None,
        "tool_call_id": None,
        "created_at": moment,
    }


def _reply(
    path: Sequence[Given], rows: Sequence[dict[str, Any]], new: NewTurn, moment: datetime
) -> dict[str, Any]:
    last = rows[-1]
    continued = path[-1].role == "assistant" and not path[-1].tool_calls
    parent = last["parent_id"] if continued else last["id"]
    row = _row(last["conversation_id"], parent, "assistant", moment)
    row |= {"client_key": new.client_key, "model": new.model}
    return row | {"text": last["text"], "continues": last["id"]} if continued else row


def _message(row: dict[str, Any]) -> Message:
    """The reply as it would be read."""
    known = ("id", "conversation_id", "parent_id", "role", "author_id", "text", "created_at", "model")
    return Message(
        **{name: row[name] for name in known},
        reasoning="",
        state="queued",
        continues=row["continues"],
        siblings=(row["id"],),
    )


def _as_path(
    path: Sequence[Given], rows: Sequence[dict[str, Any]], reply: dict[str, Any]
) -> tuple[PathMessage, ...]:
    """What the reply answers."""
    return tuple(
        PathMessage(
            row["id"],
            row["role"],
            row["text"],
            "complete",
            tool_calls=one.tool_calls,
            tool_call_id=one.tool_call_id,
        )
        for one, row in zip(path, rows, strict=True)
        if row["id"] != reply["continues"]
    )
