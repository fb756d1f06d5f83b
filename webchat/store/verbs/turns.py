"""Verbs on turns: beginning one, journaling what it says, finishing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from webchat.store.database.codec import (
    clean,
    dump_calls,
    dump_failure,
    dump_settings,
    dump_use,
    known_provenance,
    load_conversation,
    new_id,
    now,
    title_of,
)
from webchat.store.database.tables.conversations import ConversationRow, JournalRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import JudgementRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import NotFound
from webchat.store.events import tell_webhooks
from webchat.store.links.links import count_turn
from webchat.store.links.settling import settle_turn, taken
from webchat.store.people.keys import check_tokens, count_tokens
from webchat.store.records import (
    BegunTurn,
    Conversation,
    ConversationSettings,
    FinishedTurn,
    JournalEntry,
    Message,
    NewTurn,
    fold,
    fold_calls,
)
from webchat.store.search.index import add_entry, add_reply
from webchat.store.verbs.compared import check_uncompared
from webchat.store.verbs.media import drop_unnamed
from webchat.store.verbs.tree import (
    check_versions,
    chunks,
    journal_pieces,
    messages_by_id,
    own_conversation,
    own_message,
)

# Built once: building a statement costs several times what running it does.
_OPEN_TURN = insert(TurnRow)
_REPLY, _USER = aliased(MessageRow), aliased(MessageRow)
_BY_KEY = (
    select(
        TurnRow.message_id,
        TurnRow.conversation_id,
        TurnRow.asked,
        TurnRow.reserved,
        TurnRow.replica_id,
        _REPLY.deleted_at,
        _USER.id.label("user_id"),
    )
    .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
    .join(_REPLY, _REPLY.id == TurnRow.message_id)
    .outerjoin(_USER, and_(_USER.id == _REPLY.parent_id, _USER.client_key == TurnRow.client_key))
    .where(TurnRow.client_key == bindparam("key"), ConversationRow.owner_id == bindparam("owner"))
    .order_by(TurnRow.begun_at)
    .limit(1)
)
_SHOW = (
    update(ConversationRow)
    .where(ConversationRow.id == bindparam("conversation"))
    .values(active_leaf_id=bindparam("leaf"), updated_at=bindparam("moment"))
    .returning(*ConversationRow.__table__.columns, true().label("running"))
)
_SHOW_AND_SET = _SHOW.values(settings=bindparam("chosen"))
_STREAMS = (
    update(TurnRow).where(TurnRow.message_id.in_(bindparam("ids", expanding=True))).values(state="streaming")
)
_RUNNING = select(TurnRow.message_id, TurnRow.state).where(
    TurnRow.message_id.in_(bindparam("ids", expanding=True)),
    TurnRow.finished_at.is_(None),
    TurnRow.replica_id.is_not_distinct_from(bindparam("replica")),
)
_FOLDED = select(MessageRow.id, MessageRow.seq).where(MessageRow.id.in_(bindparam("ids", expanding=True)))
_CLOSE = (
    update(TurnRow)
    .where(TurnRow.message_id == bindparam("message"), TurnRow.finished_at.is_(None))
    .returning(
        TurnRow.link_id,
        TurnRow.conversation_id,
        TurnRow.reserved,
        TurnRow.completion_tokens,
        TurnRow.model,
        TurnRow.template,
        TurnRow.key_id,
        TurnRow.compared_in,
    )
)
_CLOSE_OWN = _CLOSE.where(TurnRow.replica_id == bindparam("replica"))
_REPLICA = select(TurnRow.replica_id).where(TurnRow.message_id == bindparam("message"))
_SAID = select(MessageRow.text, MessageRow.reasoning, MessageRow.seq).where(
    MessageRow.id == bindparam("message")
)
_FOLD = (
    update(MessageRow)
    .where(MessageRow.id == bindparam("message"))
    .values(text=bindparam("folded"), reasoning=bindparam("thoughts"), seq=bindparam("last"))
)
_CALLED = (
    update(MessageRow).where(MessageRow.id == bindparam("message")).values(tool_calls=bindparam("calls"))
)
_DETAILS = select(TurnRow.details).where(TurnRow.message_id == bindparam("message"))
_TELL = update(TurnRow).where(TurnRow.message_id == bindparam("message")).values(details=bindparam("known"))
_MADE_WITH = (
    update(JudgementRow)
    .where(JudgementRow.message_id == bindparam("message"))
    .values(model=bindparam("made_by"), template=bindparam("made_with"))
)
_CLEAR = delete(JournalRow).where(JournalRow.message_id == bindparam("message"))


@dataclass(frozen=True, slots=True)
class _Added:
    """A message of a turn that begins. values: its columns, where it was made just now; first: nothing else
    ever was in its place."""

    id: str
    values: Mapping[str, Any] | None = None
    first: bool = False

    @property
    def created(self) -> bool:
        return self.values is not None

    def message(self) -> Message | None:
        """As it would be read; `None` where that needs a look."""
        if self.values is None or not self.first or self.values.get("template"):
            return None
        values = self.values
        return Message(
            id=self.id,
            conversation_id=values["conversation_id"],
            parent_id=values["parent_id"],
            role=values["role"],
            author_id=values.get("author_id"),
            text=values["text"],
            reasoning=values.get("reasoning", ""),
            state="queued" if values["role"] == "assistant" else "complete",
            created_at=values["created_at"],
            model=values.get("model"),
            continues=values.get("continues"),
            siblings=(self.id,),
        )


class TurnVerbs(Database):
    """The operations of turns."""

    @writes
    def begin_turn(self, connection: Connection, owner: str, new: NewTurn) -> BegunTurn:
        """Store the user's message and an empty reply, and show them.

        Whoever comes second with the same client key, even at the same moment, gets the first one's messages
        and `created=False`. Raises NotFound, TooManyVersions, ComparisonOpen, LinkEnded, LinkLimit,
        ConsentNeeded, KeyTokensUsed, and ValueError for a client key that is not 1 to 64 characters.
        """
        return self._begin(connection, owner, new)

    def _begin(self, connection: Connection, owner: str, new: NewTurn, *, replies: int = 1) -> BegunTurn:
        """replies: how many are begun together; see `count_turn`."""
        if not 1 <= len(new.client_key) <= 64:
            raise ValueError("a client key must have 1 to 64 characters")
        conversation_id, opened = new.conversation_id, False
        if conversation_id is None:
            conversation_id, opened = self._open_conversation(connection, owner, new)
        kind = new.kind
        if not opened:
            kind = own_conversation(connection, owner, conversation_id, lock=True).kind
        if new.parent_id is not None:
            _own_message_of(connection, owner, conversation_id, new.parent_id)
        check_uncompared(connection, new.parent_id, new.continues)
        user = None
        if new.user_text is not None:
            user = self._add_message(
                connection,
                conversation_id,
                new.parent_id,
                "user",
                new.client_key,
                first=opened,
                text=new.user_text,
                author_id=owner,
                template=dump_use(new.template),
            )
            if user.created and kind == "chat":
                add_entry(connection, owner, conversation_id, user.id, clean(new.user_text))
        beginning = _beginning(connection, owner, conversation_id, new.continues)
        reply = self._add_message(
            connection,
            conversation_id,
            new.parent_id if user is None else user.id,
            "assistant",
            new.client_key,
            first=opened if user is None else user.created,
            model=new.model,
            **beginning,
        )
        tokens = None
        if reply.created:
            if new.link_id is not None:
                tokens = count_turn(connection, owner, new.link_id, new.tokens, opens=opened, replies=replies)
            if new.key_id is not None:
                check_tokens(connection, new.key_id)
            conversation = open_turn(connection, conversation_id, reply.id, new, tokens, self.replica)
        else:
            conversation = own_conversation(connection, owner, conversation_id)
        *before, last = _as_stored(connection, [reply] if user is None else [user, reply])
        here = reply.created or connection.scalar(_REPLICA, {"message": reply.id}) == self.replica
        user_message = before[0] if before else None
        return BegunTurn(conversation, user_message, last, reply.created, new.asked, tokens, here=here)

    @reads
    def turn_by_key(self, connection: Connection, owner: str, client_key: str) -> BegunTurn | None:
        """What this owner began with a client key, in its current state; `None` for an unused key. Raises
        NotFound if it was deleted."""
        return self._turn_by_key(connection, owner, client_key)

    def _turn_by_key(self, connection: Connection, owner: str, client_key: str) -> BegunTurn | None:
        row = connection.execute(_BY_KEY, {"owner": owner, "key": client_key}).first()
        if row is None:
            return None
        if row.deleted_at is not None:
            raise NotFound("message")
        conversation = own_conversation(connection, owner, row.conversation_id)
        *user, reply = messages_by_id(connection, [id for id in (row.user_id, row.message_id) if id])
        here = row.replica_id == self.replica
        user_message = user[0] if user else None
        return BegunTurn(conversation, user_message, reply, False, row.asked, row.reserved, here=here)

    def _open_conversation(self, connection: Connection, owner: str, new: NewTurn) -> tuple[str, bool]:
        """The id of the owner's conversation with this client key, and whether it was made just now."""
        if new.parent_id is not None:
            raise NotFound("message")
        moment = now()
        title = title_of(clean(new.user_text or ""))
        values = {
            "id": new_id(),
            "owner_id": owner,
            "kind": new.kind,
            "client_key": new.client_key,
            "title": title,
            "title_by": "auto",
            "pinned": False,
            "archived": False,
            "created_at": moment,
            "updated_at": moment,
            "settings": dump_settings(new.settings or ConversationSettings()),
        }
        try:
            made = self.dialect.insert_once(connection, ConversationRow, values)
        except IntegrityError as error:
            raise NotFound("owner") from error  # there is nothing else it refers to
        if made:
            if new.kind == "chat":
                add_entry(connection, owner, str(values["id"]), None, title)
            return str(values["id"]), True
        known = select(ConversationRow.id).where(
            ConversationRow.owner_id == owner, ConversationRow.client_key == new.client_key
        )
        return str(connection.scalar(known)), False

    def _add_message(
        self,
        connection: Connection,
        conversation_id: str,
        parent_id: str | None,
        role: str,
        client_key: str,
        *,
        first: bool,
        text: str = "",
        **values: Any,
    ) -> _Added:
        """The message with this key in this place, made if there is none. first: nothing else can be
        there, as what it hangs under was made just now."""
        id, under_id = new_id(), parent_id or conversation_id
        values |= {
            "id": id,
            "conversation_id": conversation_id,
            "parent_id": parent_id,
            "under_id": under_id,
            "role": role,
            "client_key": client_key,
            "text": clean(text),
            "created_at": now(),
        }
        if self.dialect.insert_once(connection, MessageRow, values):
            first = first or check_versions(connection, under_id, role) == 1
            return _Added(id, values, first)
        row = connection.execute(
            select(MessageRow.id, MessageRow.deleted_at).where(
                MessageRow.under_id == under_id, MessageRow.role == role, MessageRow.client_key == client_key
            )
        ).one()
        if row.deleted_at is not None:
            raise NotFound("message")
        return _Added(row.id)

    @writes
    def write_batch(
        self,
        connection: Connection,
        entries: Sequence[JournalEntry],
        finished: Sequence[FinishedTurn] = (),
    ) -> list[Message]:
        """Append to the journals and finish turns, of any owners, in one transaction. A turn streams from its
        first entry on. Returns the finished replies.

        What was written already, and a turn that was over, stays as it is: whoever was cut off before the
        answer came writes the same again. Raises ValueError for another entry in the same place, and for one
        of a turn that was over without it, or runs under another lease.
        """
        if entries:
            self._append(connection, entries)
        if not finished:
            return []
        finish_turns(connection, finished, now(), self.replica)
        return messages_by_id(connection, [turn.message_id for turn in finished])

    def _append(self, connection: Connection, entries: Sequence[JournalEntry]) -> None:
        """Append new entries. Existing ones are checked only if there are any."""
        running: set[str] = set()
        for chunk in chunks(list({entry.message_id for entry in entries})):
            states = dict(connection.execute(_RUNNING, {"ids": chunk, "replica": self.replica}).all())
            running.update(states)
            if queued := [id for id, state in states.items() if state == "queued"]:
                connection.execute(_STREAMS, {"ids": queued})
        rows = [
            {"message_id": entry.message_id, "seq": entry.seq, "kind": entry.kind, "text": clean(entry.text)}
            for entry in entries
        ]
        open_rows = [row for row in rows if row["message_id"] in running]
        if not open_rows or self.dialect.insert_new(connection, JournalRow, open_rows) != len(rows):
            _check_written(connection, rows, running)

    @reads
    def journal(
        self, connection: Connection, owner: str, message_id: str, after_seq: int = 0
    ) -> list[JournalEntry]:
        """The journal of a running reply after `after_seq`; empty once it is finished. Raises NotFound."""
        own_message(connection, owner, message_id)
        rows = connection.execute(
            select(*JournalRow.__table__.columns)
            .where(JournalRow.message_id == message_id, JournalRow.seq > after_seq)
            .order_by(JournalRow.seq)
        )
        return [JournalEntry(row.message_id, row.seq, row.kind, row.text) for row in rows]


def _check_written(connection: Connection, rows: Sequence[dict[str, Any]], running: set[str]) -> None:
    """Raises ValueError unless all these journal rows are there, or folded into their messages."""
    ids = list({row["message_id"] for row in rows})
    pieces = journal_pieces(connection, [id for id in ids if id in running])
    there = {(id, piece.seq): (piece.kind, piece.text) for id, said in pieces.items() for piece in said}
    folded = {}
    for chunk in chunks([id for id in ids if id not in running]):
        folded.update({row.id: row.seq for row in connection.execute(_FOLDED, {"ids": chunk})})
    for row in rows:
        if row["message_id"] in running:
            same = there.get((row["message_id"], row["seq"])) == (row["kind"], row["text"])
        else:
            same = row["seq"] <= folded.get(row["message_id"], 0)
        if not same:
            raise ValueError(
                "a journal cannot accept this entry: its position is taken, or its turn has ended"
            )


def _own_message_of(connection: Connection, owner: str, conversation_id: str, message_id: str) -> Row[Any]:
    row = own_message(connection, owner, message_id)
    if row.conversation_id != conversation_id:
        raise NotFound("message")
    return row


def _beginning(
    connection: Connection, owner: str, conversation_id: str, continues: str | None
) -> dict[str, Any]:
    """The beginning of a reply that continues another."""
    if continues is None:
        return {}
    _own_message_of(connection, owner, conversation_id, continues)
    old = messages_by_id(connection, [continues])[0]
    return {"text": old.text, "reasoning": old.reasoning, "continues": continues}


def open_turn(
    connection: Connection,
    conversation_id: str,
    reply_id: str,
    new: NewTurn,
    reserved: int | None,
    replica: str | None,
) -> Conversation:
    """The conversation, which shows the reply from now on. replica: the lease under which it runs."""
    moment = now()
    turn = {
        "message_id": reply_id,
        "conversation_id": conversation_id,
        "client_key": new.client_key,
        "asked": new.asked,
        "state": "queued",
        "begun_at": moment,
        "model": new.model,
        "link_id": new.link_id,
        "reserved": reserved,
        "key_id": new.key_id,
        "compared_in": new.comparison,
        "replica_id": replica,
        "path_hash": new.path_hash,
    }
    connection.execute(_OPEN_TURN, turn)
    shown: dict[str, Any] = {"conversation": conversation_id, "leaf": reply_id, "moment": moment}
    if new.settings is None:
        return load_conversation(connection.execute(_SHOW, shown).one())
    shown["chosen"] = dump_settings(new.settings)
    return load_conversation(connection.execute(_SHOW_AND_SET, shown).one())


def _as_stored(connection: Connection, added: Sequence[_Added]) -> list[Message]:
    """The messages that were added, without reading those of which all is known."""
    known = [one.message() for one in added]
    if None in known:
        return messages_by_id(connection, [one.id for one in added])
    return [message for message in known if message is not None]


def finish_turns(
    connection: Connection, finished: Sequence[FinishedTurn], moment: datetime, replica: str | None = None
) -> None:
    """End turns that are still running and fold their journals into their messages. replica: those of this
    lease alone."""
    ended = [(turn, _close_turn(connection, turn, moment, replica)) for turn in finished]
    closed = [(turn, counted) for turn, counted in ended if counted is not None]
    # Several processes end some at the same moment: what is counted is locked in one order.
    closed.sort(key=lambda one: (one[1].link_id or "", one[1].key_id or ""))
    pieces = journal_pieces(connection, [turn.message_id for turn, _ in closed])
    for turn, counted in closed:
        row = connection.execute(_SAID, {"message": turn.message_id}).one()
        said = pieces.get(turn.message_id, [])
        text, reasoning = fold(row.text, row.reasoning, said)
        connection.execute(
            _FOLD,
            {
                "message": turn.message_id,
                "folded": text,
                "thoughts": reasoning,
                "last": said[-1].seq if said else row.seq,
            },
        )
        _add_calls(connection, turn, said)
        connection.execute(_CLEAR, {"message": turn.message_id})
        # Of judgements that were made while it was written.
        made = {"made_by": counted.model or "", "made_with": counted.template or ""}
        connection.execute(_MADE_WITH, {"message": turn.message_id, **made})
        drop_unnamed(connection, turn.message_id, () if turn.state == "blocked" else (text, reasoning))
        # Only now: what a reply that writes on from another begins with, that one says too. And not while a
        # comparison is open: a search would tell which side has ended.
        if counted.compared_in is None:
            add_reply(connection, turn.message_id, text)
        written = "".join(piece.text for piece in said)
        if counted.link_id is not None:
            settle_turn(connection, turn.state, counted, written)
        if counted.key_id is not None:
            count_tokens(connection, counted.key_id, taken(turn.state, counted, written).tokens)
    # Of sides of a comparison, webhooks are told the vote.
    told = [turn.message_id for turn, counted in closed if counted.compared_in is None]
    tell_webhooks(connection, "reply.ended", told, moment)


def _add_calls(connection: Connection, turn: FinishedTurn, said: Sequence[Row[Any]]) -> None:
    """Store what a reply called, and how many calls it had begun when it broke off."""
    calls, cut = fold_calls(turn.message_id, said, ended=turn.state == "complete")
    these = {"message": turn.message_id}
    if calls:
        connection.execute(_CALLED, {**these, "calls": dump_calls(calls)})
    if cut:
        known = connection.scalar(_DETAILS, these) or {}
        connection.execute(_TELL, {**these, "known": {**known, "cut_calls": cut}})


def _close_turn(
    connection: Connection, turn: FinishedTurn, moment: datetime, replica: str | None
) -> Row[Any] | None:
    """The turn's count for its link; `None` if it was over."""
    values = {
        "state": turn.state,
        "finished_at": moment,
        "finish_reason": turn.finish_reason,
        "failure": dump_failure(turn.failure),
        "reasoning_seconds": turn.reasoning_seconds,
    }
    if turn.provenance is not None:
        values |= known_provenance(turn.provenance)
    close, those = (_CLOSE, {}) if replica is None else (_CLOSE_OWN, {"replica": replica})
    closed: Any = connection.execute(close, {"message": turn.message_id, **those, **values}).first()
    return cast(Row[Any] | None, closed)
