"""Verbs on the conversations of a link's testers. They are for operators, and each look is logged first.

A tester agreed that their conversations are read when they accepted the link's consent sentence. What is read
are the conversations they began after they first accepted it, as long as the link has one and they have
accepted it as it is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from backends.types import Media
from webchat.store.cursors import place, read_number, read_place
from webchat.store.database.codec import clean, now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.links import ConsentRow, LinkRow, LookRow, TesterNoteRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import Database, heavy, long, reads, writes
from webchat.store.database.until import Until
from webchat.store.errors import NotFound
from webchat.store.records import Found, Message, Page
from webchat.store.search.verbs import search_of
from webchat.store.tester_records import Look, LookAction, ReadChat, TesterChat
from webchat.store.verbs.media import media_in
from webchat.store.verbs.messages import thread_of
from webchat.store.verbs.tree import conversations_query

SAME_LOOK = timedelta(minutes=10)
"""Looking at the same thing again within this time is one look: an open page asks every few seconds."""

MOST_SEARCHED = 1000
"""Testers of a link, the newest, whose conversations one search looks through."""

MOST_TAGS = 20
MOST_NOTE = 10_000


class TesterVerbs(Database):
    """Reading, searching and annotating what testers wrote."""

    @long
    def list_tester_chats(
        self,
        operator: str,
        link_id: str,
        *,
        tag: str | None = None,
        cursor: str | None = None,
        limit: int = 40,
    ) -> Page[TesterChat]:
        """Conversations of a link's testers, the last changed first. tag: only those with it. Raises
        BadCursor; NotFound for an unknown operator."""
        self._log_look(operator, "list", link_id)
        return self._tester_chats(link_id, tag, cursor, limit)

    @reads
    def _tester_chats(
        self, connection: Connection, link_id: str, tag: str | None, cursor: str | None, limit: int
    ) -> Page[TesterChat]:
        key = (ConversationRow.updated_at, ConversationRow.id)
        query = _chats().where(OwnerRow.link_id == link_id)
        if tag is not None:
            query = query.where(TesterNoteRow.tags_text.contains(f"\n{tag}\n", autoescape=True))
        if cursor is not None:
            _, at, id = read_place(cursor)
            query = query.where(tuple_(*key) < tuple_(literal(at, key[0].type), literal(id)))
        rows = connection.execute(query.order_by(*(column.desc() for column in key)).limit(limit + 1)).all()
        items = tuple(_chat(row) for row in rows[:limit])
        more = len(rows) > limit
        return Page(items, place(items[-1].updated_at, items[-1].id) if more else None)

    @heavy
    def search_tester_chats(
        self,
        connection: Connection,
        until: Until,
        operator: str,
        link_id: str,
        query: str,
        *,
        limit: int = 30,
        cursor: str | None = None,
    ) -> Found:
        """Like `search`, in the conversations of a link's testers. Raises BadCursor; NotFound for an unknown
        operator."""
        self._log_look(operator, "search", link_id, searched=query)
        newest = select(OwnerRow.id).join(LinkRow, LinkRow.id == OwnerRow.link_id)
        newest = newest.where(OwnerRow.link_id == link_id, _accepted()).order_by(OwnerRow.id.desc())
        owners = list(connection.scalars(newest.limit(MOST_SEARCHED)))
        found = search_of(self, connection, until, owners, query, limit, cursor)
        ids = [hit.conversation_id for hit in found.items]
        shown = set(connection.scalars(_SHOWN, {"ids": ids}))
        return replace(found, items=tuple(hit for hit in found.items if hit.conversation_id in shown))

    @long
    def read_tester_chat(
        self, operator: str, conversation_id: str, *, before: str | None = None, limit: int = 30
    ) -> ReadChat:
        """A tester's conversation, paged like `thread`. Raises NotFound, also for what was deleted."""
        chat, owner = self._tester_chat(conversation_id)
        self._log_look(operator, "read", chat.link_id, conversation_id)
        return ReadChat(chat, self._thread(owner, conversation_id, before, limit))

    @long
    def tester_media(self, operator: str, conversation_id: str, name: str) -> Media:
        """A picture or sound that messages of a tester's conversation name. Raises NotFound."""
        chat, _ = self._tester_chat(conversation_id)
        self._log_look(operator, "read", chat.link_id, conversation_id)
        return self._tester_media(conversation_id, name)

    @reads
    def _tester_media(self, connection: Connection, conversation_id: str, name: str) -> Media:
        return media_in(connection, conversation_id, name, MessageRow.deleted_at.is_(None))

    @reads
    def _thread(
        self, connection: Connection, owner: str, conversation_id: str, before: str | None, limit: int
    ) -> Page[Message]:
        return thread_of(connection, owner, conversation_id, before, limit)

    @reads
    def _tester_chat(self, connection: Connection, conversation_id: str) -> tuple[TesterChat, str]:
        return _one(connection, conversation_id)

    @writes
    def note_tester_chat(
        self,
        connection: Connection,
        operator: str,
        conversation_id: str,
        *,
        note: str,
        tags: Sequence[str],
    ) -> TesterChat:
        """Replace the note and tags of a tester's conversation; other operators see them, the tester does
        not. Both are shortened to what fits. Raises NotFound."""
        chat, _ = _one(connection, conversation_id)
        _log(connection, _entry(operator, "note", chat.link_id, conversation_id))
        said = [" ".join(clean(tag).split())[:40] for tag in tags]
        kept = list(dict.fromkeys(tag for tag in said if tag))[:MOST_TAGS]
        values = {
            "note": clean(note).strip()[:MOST_NOTE],
            "tags_text": "".join(f"\n{tag}" for tag in kept) + "\n",
            "changed_at": now(),
            "changed_by": operator,
        }
        self.dialect.insert_once(connection, TesterNoteRow, {"conversation_id": conversation_id, **values})
        row = update(TesterNoteRow).where(TesterNoteRow.conversation_id == conversation_id)
        connection.execute(row.values(values))
        return _one(connection, conversation_id)[0]

    @reads
    def looks(
        self,
        connection: Connection,
        *,
        link_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Look]:
        """Who looked at what testers wrote, the newest first. Nothing changes or deletes this log. Raises
        BadCursor."""
        query = select(*LookRow.__table__.columns)
        if link_id is not None:
            query = query.where(LookRow.link_id == link_id)
        if cursor is not None:
            query = query.where(LookRow.number < read_number(cursor))
        rows = connection.execute(query.order_by(LookRow.number.desc()).limit(limit + 1)).all()
        items = tuple(Look(**row._mapping) for row in rows[:limit])
        return Page(items, str(items[-1].number) if len(rows) > limit else None)

    @long
    def log_look(self, operator: str, action: LookAction, link_id: str) -> None:
        """Log a look at something else of a link's testers. Raises NotFound for an unknown operator."""
        self._log_look(operator, action, link_id)

    def _log_look(
        self,
        operator: str,
        action: LookAction,
        link_id: str,
        conversation_id: str | None = None,
        searched: str | None = None,
    ) -> None:
        """Most looks go on from one that is logged, and need no writer."""
        entry = _entry(operator, action, link_id, conversation_id, searched)
        if not self._is_logged(entry):
            self.in_turn(self._log, entry)

    @reads
    def _is_logged(self, connection: Connection, entry: dict[str, Any]) -> bool:
        _who(connection, entry)
        return _logged(connection, entry)

    @writes
    def _log(self, connection: Connection, entry: dict[str, Any]) -> None:
        _log(connection, entry)


def _accepted() -> ColumnElement[bool]:
    """Whether an owner has accepted what their link asks now; a link that asks nothing is accepted by
    nobody."""
    now_asked = LinkRow.terms["consent_version"].as_integer()
    return and_(
        LinkRow.terms["consent"].as_string() != "",
        exists().where(ConsentRow.owner_id == OwnerRow.id, ConsentRow.version == now_asked),
    )


def agreed() -> ColumnElement[bool]:
    """Whether a conversation began after its owner had agreed that it is read: in a query with the
    conversation, its owner and their link."""
    before = exists().where(ConsentRow.owner_id == OwnerRow.id, ConsentRow.at <= ConversationRow.created_at)
    return and_(_accepted(), before)


def _chats() -> Select[Any]:
    return (
        conversations_query()
        .add_columns(OwnerRow.link_id, TesterNoteRow.note, TesterNoteRow.tags_text)
        .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
        .join(LinkRow, LinkRow.id == OwnerRow.link_id)
        .outerjoin(TesterNoteRow, TesterNoteRow.conversation_id == ConversationRow.id)
        .where(OwnerRow.kind == "guest", ConversationRow.deleted_at.is_(None), agreed())
    )


_SHOWN = (
    _chats()
    .with_only_columns(ConversationRow.id)
    .where(ConversationRow.id.in_(bindparam("ids", expanding=True)))
)


def _chat(row: Any) -> TesterChat:
    return TesterChat(
        id=row.id,
        link_id=row.link_id,
        tester=row.owner_id[-4:],
        title=row.title,
        created_at=row.created_at,
        updated_at=row.updated_at,
        running=bool(row.running),
        note=row.note or "",
        tags=tuple((row.tags_text or "").split("\n")[1:-1]),
    )


def _one(connection: Connection, conversation_id: str) -> tuple[TesterChat, str]:
    """The conversation and its owner's id. Raises NotFound."""
    row = connection.execute(_chats().where(ConversationRow.id == conversation_id)).first()
    if row is None:
        raise NotFound("conversation")
    return _chat(row), row.owner_id


def _who(connection: Connection, entry: dict[str, Any]) -> str:
    """The name of who looks. Raises NotFound for somebody who does not operate, nor reviews."""
    query = select(OwnerRow.name, OwnerRow.kind).where(OwnerRow.id == entry["operator_id"])
    who = connection.execute(query).first()
    reviews = entry["action"] == "reviewed"
    if who is None or who.kind not in ("operator", "local", *(("member",) if reviews else ())):
        raise NotFound("operator")
    return str(who.name)


def _entry(
    operator: str,
    action: LookAction,
    link_id: str,
    conversation_id: str | None = None,
    searched: str | None = None,
) -> dict[str, Any]:
    return {
        "operator_id": operator,
        "action": action,
        "link_id": link_id,
        "conversation_id": conversation_id,
        "searched": None if searched is None else clean(searched),
    }


def _logged(connection: Connection, entry: dict[str, Any]) -> bool:
    """Whether the same look was logged a short while ago."""
    same = [getattr(LookRow, name).is_not_distinct_from(value) for name, value in entry.items()]
    found = select(LookRow.number).where(*same, LookRow.at > now() - SAME_LOOK)
    return connection.scalar(found.limit(1)) is not None


def _log(connection: Connection, entry: dict[str, Any]) -> None:
    """Raises NotFound for somebody who does not operate."""
    name = _who(connection, entry)
    if not _logged(connection, entry):
        connection.execute(insert(LookRow).values(at=now(), operator=name, **entry))
