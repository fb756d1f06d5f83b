"""Verbs on the calls of programs: each brings its whole conversation along.

A call that is not to be kept is in a conversation that was deleted from the beginning, with a moment of its
own (`FLEETING`): nothing lists, opens, searches, exports or restores it. It is journaled like any other, so
that no reply is shown that was not stored, and erased when it is over.

A long path would hold the writer. Then the call begins as one that is not to be kept (`open_call`), with its
turn and all that can refuse it; its messages are added in slices (`add_to_call`), and only the last step
(`show_call`) lets a kept one be seen. What is cut off before that is left to the next start, like any call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from backends.types import Message as Given
from webchat.store.database.codec import (
    clean,
    dump_calls,
    dump_settings,
    load_calls,
    load_conversation,
    new_id,
    now,
    title_of,
)
from webchat.store.database.dialect import Debt
from webchat.store.database.tables.base import DISCARDED, FLEETING
from webchat.store.database.tables.conversations import (
    ConversationRow,
    InspectionRow,
    JournalRow,
    MediaRow,
    MessageRow,
    PlaceholderRow,
    TurnRow,
)
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.transactions import writes
from webchat.store.errors import NotFound
from webchat.store.links.links import count_turn
from webchat.store.people.keys import check_tokens
from webchat.store.records import (
    BegunTurn,
    ConversationSettings,
    Message,
    NewTurn,
    PathMessage,
    calls_chars,
)
from webchat.store.search.index import add_entry, comes_in_parts, owe
from webchat.store.verbs.tree import conversations_query, messages_by_id
from webchat.store.verbs.turns import TurnVerbs, open_turn

MOST_AT_ONCE = 20
"""Messages of a call whose words are put into the search index with them."""

SLICE_MESSAGES = 100
SLICE_CHARS = 100_000
"""Of a call that is stored at once, or of one slice, or one longer message: some milliseconds of the
writer."""

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
    # Of a call that was to be kept and broke off: its words are not in the index yet.
    delete(SearchEntryRow).where(SearchEntryRow.conversation_id == bindparam("conversation")),
    *(
        delete(table).where(table.message_id.in_(_INSIDE))
        for table in (JournalRow, InspectionRow, MediaRow, TurnRow)
    ),
    # Its path has one message under the other, and its ids are in that order.
    delete(MessageRow).where(MessageRow.id.in_(_INSIDE.order_by(MessageRow.id.desc()).limit(SLICE_MESSAGES))),
)
_LEFT = select(exists().where(MessageRow.conversation_id == bindparam("conversation")))
_ERASE_LAST = (
    delete(PlaceholderRow).where(PlaceholderRow.conversation_id == bindparam("conversation")),
    delete(ConversationRow).where(ConversationRow.id == bindparam("conversation")),
)


@dataclass(frozen=True, slots=True)
class Brought:
    """A conversation that a program brings along, in rows, and an empty reply to it. Nothing is stored yet.

    path: what the reply answers.
    """

    owner: str
    title: str
    rows: Sequence[dict[str, Any]]
    reply: dict[str, Any]
    path: tuple[PathMessage, ...]

    @property
    def id(self) -> str:
        """The conversation's."""
        return str(self.reply["conversation_id"])

    def slices(self) -> Iterator[Sequence[dict[str, Any]]]:
        """The messages, each slice a moment of the writer."""
        start = chars = 0
        for at, row in enumerate(self.rows):
            size = len(row["text"]) + calls_chars(load_calls(row["tool_calls"]))
            if at > start and (at - start == SLICE_MESSAGES or chars + size > SLICE_CHARS):
                yield self.rows[start:at]
                start, chars = at, 0
            chars += size
        yield self.rows[start:]


def brought(owner: str, new: NewTurn, path: Sequence[Given]) -> Brought:
    """A path in the form in which it is stored; see `begin_call`."""
    id, moment = new_id(), now()
    title = title_of(clean(next((one.text for one in reversed(path) if one.role == "user"), "")))
    rows = rows_of(path, id, owner, moment)
    reply = _reply(path, rows, new, moment)
    return Brought(owner, title, rows, reply, path_of(path, rows, reply))


def is_long(path: Sequence[Given]) -> bool:
    """Whether a path has to be stored in slices."""
    chars = sum(len(message.text) + calls_chars(message.tool_calls) for message in path)
    return len(path) > SLICE_MESSAGES or chars > SLICE_CHARS


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
        call = brought(owner, new, path)
        if not self._add_conversation(connection, call, new, stored=stored):
            return self._begun_call(connection, owner, new.client_key)
        connection.execute(_ADD_MESSAGES, [*call.rows, call.reply])
        if stored:
            if comes_in_parts(sum(len(row["text"]) for row in call.rows)) or len(call.rows) > MOST_AT_ONCE:
                _owe_words(connection, call, [None, *(row["id"] for row in call.rows)])
            else:
                add_entry(connection, owner, call.id, None, call.title)
                for row in call.rows:
                    add_entry(connection, owner, call.id, row["id"], row["text"])
        return self._opened(connection, call, new)

    @writes
    def open_call(
        self, connection: Connection, owner: str, new: NewTurn, call: Brought, *, stored: bool
    ) -> BegunTurn:
        """The same for a long path, without its messages: the reply is under the conversation. Raises what
        `begin_call` raises."""
        if not self._add_conversation(connection, call, new, stored=stored, hidden=True):
            return self._begun_call(connection, owner, new.client_key)
        alone = {"parent_id": None, "under_id": call.id, "text": "", "continues": None}
        connection.execute(_ADD_MESSAGES, [{**call.reply, **alone}])
        return self._opened(connection, call, new)

    @writes
    def add_to_call(
        self,
        connection: Connection,
        owner: str,
        call: Brought,
        rows: Sequence[dict[str, Any]],
        *,
        stored: bool,
    ) -> None:
        """Add some of the messages of an opened call, in their order; again does no harm. Raises NotFound if
        the call is gone."""
        self._check_open(connection, owner, call)
        added = self.dialect.insert_new(connection, MessageRow, rows)
        if added and stored:
            _owe_words(connection, call, [row["id"] for row in rows])

    @writes
    def show_call(self, connection: Connection, owner: str, call: Brought, *, stored: bool) -> None:
        """Put the reply of an opened call under its path, and show one that is kept; again does no harm.
        Raises NotFound."""
        shown = select(ConversationRow.id).where(
            ConversationRow.id == call.id,
            ConversationRow.owner_id == owner,
            ConversationRow.deleted_at.is_(None),
        )
        if stored and connection.scalar(shown) is not None:
            return
        self._check_open(connection, owner, call)
        place = {name: call.reply[name] for name in ("parent_id", "under_id", "text", "continues")}
        connection.execute(update(MessageRow).where(MessageRow.id == call.reply["id"]).values(place))
        if stored:
            _owe_words(connection, call, [None])
            connection.execute(
                update(ConversationRow).where(ConversationRow.id == call.id).values(deleted_at=None)
            )

    def _check_open(self, connection: Connection, owner: str, call: Brought) -> None:
        query = select(ConversationRow.id).where(
            ConversationRow.id == call.id,
            ConversationRow.owner_id == owner,
            ConversationRow.deleted_at == FLEETING,
        )
        if connection.scalar(query.with_for_update()) is None:
            raise NotFound("conversation")

    def _add_conversation(
        self, connection: Connection, call: Brought, new: NewTurn, *, stored: bool, hidden: bool = False
    ) -> bool:
        """hidden: it is not to be seen yet. `False`: there is one with this key already. Raises NotFound."""
        moment = call.reply["created_at"]
        conversation = {
            "id": call.id,
            "owner_id": call.owner,
            "client_key": new.client_key,
            "title": call.title if stored else "",
            "title_by": "auto",
            "pinned": False,
            "archived": False,
            "created_at": moment,
            "updated_at": moment,
            "deleted_at": None if stored and not hidden else FLEETING,
            "settings": dump_settings(new.settings or ConversationSettings()),
        }
        try:
            return self.dialect.insert_once(connection, ConversationRow, conversation)
        except IntegrityError as error:
            raise NotFound("owner") from error  # there is nothing else it refers to

    def _opened(self, connection: Connection, call: Brought, new: NewTurn) -> BegunTurn:
        """Count and open the turn. Raises LinkEnded, LinkLimit, ConsentNeeded, KeyTokensUsed."""
        tokens = None
        if new.link_id is not None:
            tokens = count_turn(connection, call.owner, new.link_id, new.tokens, opens=True)
        if new.key_id is not None:
            check_tokens(connection, new.key_id)
        opened = open_turn(connection, call.id, call.reply["id"], new, tokens, self.replica)
        return BegunTurn(opened, None, _message(call.reply), True, new.asked, tokens, path=call.path)

    @writes
    def erase_call(self, connection: Connection, owner: str, conversation_id: str) -> bool:
        """Delete a call that is not to be kept, with everything in it, at most `SLICE_MESSAGES` messages at
        once. `False`: there is more to erase. Raises NotFound for any other conversation."""
        those = {"conversation": conversation_id}
        if connection.scalar(_FLEETING, {**those, "owner": owner}) is None:
            raise NotFound("conversation")
        if not self.dialect.owed(connection):
            self.dialect.owe(connection, Debt.LOG)
        for statement in _ERASE:
            connection.execute(statement, those)
        if connection.scalar(_LEFT, those):
            return False
        for statement in _ERASE_LAST:
            connection.execute(statement, those)
        return True

    def _begun_call(self, connection: Connection, owner: str, client_key: str) -> BegunTurn:
        """What was begun with this key."""
        row = connection.execute(_BY_KEY, {"owner": owner, "key": client_key}).one()
        turn = connection.execute(_REPLY, {"conversation": row.id}).one()
        (reply,) = messages_by_id(connection, [turn.message_id])
        here = turn.replica_id == self.replica
        return BegunTurn(load_conversation(row), None, reply, False, turn.asked, turn.reserved, here=here)


def _owe_words(connection: Connection, call: Brought, messages: Sequence[str | None]) -> None:
    """Add messages, or with `None` the title, to the index. Their words come soon after: those of a long path
    would hold the writer."""
    entry = {"owner_id": call.owner, "conversation_id": call.id, "owed": 1}
    connection.execute(_ADD_ENTRIES, [{**entry, "message_id": id} for id in messages])
    owe(connection)


def rows_of(
    path: Sequence[Given], conversation: str, owner: str, moment: datetime, under: str | None = None
) -> list[dict[str, Any]]:
    """Messages, one under the other, the first one under `under`."""
    rows: list[dict[str, Any]] = []
    for message in path:
        parent = rows[-1]["id"] if rows else under
        row = row_of(conversation, parent, message.role, moment)
        row |= {"text": clean(message.text), "author_id": owner}
        answers = message.tool_call_id and clean(message.tool_call_id)
        rows.append(row | {"tool_calls": dump_calls(message.tool_calls), "tool_call_id": answers})
    return rows


def row_of(conversation: str, parent: str | None, role: str, moment: datetime) -> dict[str, Any]:
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
    row = row_of(last["conversation_id"], parent, "assistant", moment)
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


def path_of(
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
