"""Verbs on read-only shares.

A share lasts no longer than its conversation: while that is in the trash, and once it is gone, readers find
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from backends.types import Media
from webchat.store.cursors import place, read_place
from webchat.store.database.codec import clean, dump_calls, load_calls, now
from webchat.store.database.tables.conversations import ConversationRow, MediaRow, MessageRow
from webchat.store.database.tables.people import PersonRow
from webchat.store.database.tables.sharing import ShareMediaRow, ShareMessageRow, ShareRow
from webchat.store.database.transactions import Database, heavy, long, reads, writes
from webchat.store.database.until import Until
from webchat.store.errors import NotFound, ShareTooLong, TooManyShares
from webchat.store.records import Conversation, Message, Page
from webchat.store.share_records import NewShare, Share, SharedMessage
from webchat.store.verbs.tree import newest_of, own_conversation, thread_to

MOST_MESSAGES = 2000
MOST_CHARS = 5_000_000
MOST_SHARES = 100
"""Living ones of one owner."""
MOST_BYTES = 100_000_000
"""Of all that is stored of one owner's shares, the ended ones too."""
_MESSAGE_BYTES = 200
"""Of a message beside its text."""
SLICE_MESSAGES = 50
SLICE_CHARS = 100_000

_NAMED = re.compile(r";id=([a-p]{16}),")
_LIVING = and_(ConversationRow.id == ShareRow.conversation_id, ConversationRow.deleted_at.is_(None))


class ShareVerbs(Database):
    """Making, reading and ending shares."""

    @heavy
    def branch(
        self, connection: Connection, until: Until, owner: str, conversation_id: str
    ) -> tuple[Conversation, list[Message]]:
        """A conversation and the messages of its active branch, without replies that still run. Raises
        NotFound, ShareTooLong."""
        conversation = own_conversation(connection, owner, conversation_id)
        leaf = conversation.active_leaf_id
        messages = [] if leaf is None else thread_to(connection, leaf, MOST_MESSAGES + 1)
        whole = len(messages) <= MOST_MESSAGES and len(newest_of(messages, MOST_CHARS)) == len(messages)
        if not whole:
            raise ShareTooLong(MOST_MESSAGES)
        return conversation, [message for message in messages if not message.running]

    @long
    def create_share(self, owner: str, new: NewShare) -> Share:
        """Store a share with a copy of the media its messages name. Until all is stored it counts as ended.
        Raises NotFound, TooManyShares."""
        self.in_turn(self._add_share, owner, new)
        number = 0
        for messages in message_slices(new.messages):
            self.in_turn(self._add_shared, new.id, number, messages)
            number += len(messages)
        named = {name for message in new.messages for name in _NAMED.findall(message.text)}
        for name in sorted(named):
            for message_id, part in self._media_parts(new.conversation_id, name):
                self.in_turn(self._add_shared_media, new.id, message_id, name, part)
        self.in_turn(self._weigh_share, new.id)
        return self.in_turn(self._open_share, owner, new.id)

    @writes
    def _add_share(self, connection: Connection, owner: str, new: NewShare) -> None:
        own_conversation(connection, owner, new.conversation_id, lock=True)
        chars = sum(one.chars for one in new.messages)
        _check_room(connection, owner, chars + _MESSAGE_BYTES * len(new.messages))
        moment = now()
        connection.execute(
            insert(ShareRow).values(
                id=new.id,
                owner_id=owner,
                conversation_id=new.conversation_id,
                title=clean(new.title),
                created_at=moment,
                expires_at=new.expires_at,
                ended_at=moment,
                password_hash=new.password_hash,
                messages=len(new.messages),
                chars=chars,
                allow_copy=new.allow_copy,
                preview=new.preview,
                masked=new.masked,
            )
        )

    @writes
    def _add_shared(
        self, connection: Connection, share_id: str, number: int, messages: Sequence[SharedMessage]
    ) -> None:
        connection.execute(
            insert(ShareMessageRow),
            [
                {
                    "share_id": share_id,
                    "number": number + at,
                    "role": one.role,
                    "text": clean(one.text),
                    "reasoning": clean(one.reasoning),
                    "model": None if one.model is None else clean(one.model),
                    "state": one.state,
                    "created_at": one.created_at,
                    "tool_calls": dump_calls(one.tool_calls),
                    "tool_call_id": one.tool_call_id,
                }
                for at, one in enumerate(messages)
            ],
        )

    @reads
    def _media_parts(self, connection: Connection, conversation_id: str, name: str) -> list[tuple[str, int]]:
        """The parts of one message's media of this name, of those that have it in the conversation."""
        rows = connection.execute(
            select(MediaRow.message_id, MediaRow.part)
            .join(MessageRow, MessageRow.id == MediaRow.message_id)
            .where(MediaRow.name == name, MessageRow.conversation_id == conversation_id)
            .order_by(MediaRow.message_id, MediaRow.part)
        ).all()
        return [(id, part) for id, part in rows if id == rows[0].message_id]

    @writes
    def _add_shared_media(
        self, connection: Connection, share_id: str, message_id: str, name: str, part: int
    ) -> None:
        source = select(literal(share_id), MediaRow.name, MediaRow.part, MediaRow.media_type, MediaRow.data)
        columns = ["share_id", "name", "part", "media_type", "data"]
        those = (MediaRow.message_id == message_id, MediaRow.name == name, MediaRow.part == part)
        connection.execute(insert(ShareMediaRow).from_select(columns, source.where(*those)))

    @writes
    def _weigh_share(self, connection: Connection, share_id: str) -> None:
        size = select(func.coalesce(func.sum(func.length(ShareMediaRow.data)), 0))
        media = connection.scalar(size.where(ShareMediaRow.share_id == share_id)) or 0
        if media:
            those = update(ShareRow).where(ShareRow.id == share_id)
            connection.execute(those.values(chars=ShareRow.chars + media))

    @writes
    def _open_share(self, connection: Connection, owner: str, share_id: str) -> Share:
        _check_room(connection, owner)  # others may have been made meanwhile
        connection.execute(update(ShareRow).where(ShareRow.id == share_id).values(ended_at=None))
        return _share(connection, ShareRow.id == share_id, ShareRow.owner_id == owner)

    @reads
    def list_shares(
        self,
        connection: Connection,
        owner: str,
        *,
        cursor: str | None = None,
        limit: int = 40,
        conversation_id: str | None = None,
    ) -> Page[Share]:
        """This owner's shares, newest first, without those they ended; some may have expired. Raises
        BadCursor."""
        key = (ShareRow.created_at, ShareRow.id)
        query = select(*ShareRow.__table__.columns).join(ConversationRow, _LIVING)
        query = query.where(ShareRow.owner_id == owner, ShareRow.ended_at.is_(None))
        if conversation_id is not None:
            query = query.where(ShareRow.conversation_id == conversation_id)
        if cursor is not None:
            after = read_place(cursor)[1:]
            values = (literal(v, c.type) for v, c in zip(after, key, strict=True))
            query = query.where(tuple_(*key) < tuple_(*values))
        rows = connection.execute(query.order_by(*(column.desc() for column in key)).limit(limit + 1)).all()
        items = tuple(_loaded(row) for row in rows[:limit])
        more = len(rows) > limit
        return Page(items, place(items[-1].created_at, items[-1].id) if more else None)

    @writes
    def change_share(
        self, connection: Connection, owner: str, share_id: str, changes: Mapping[str, object]
    ) -> Share:
        """Change `title`, `expires_at`, `password_hash` or `allow_copy`. Raises NotFound, also for one that
        its owner has ended, and TooManyShares where one that had expired would live again."""
        mine = (ShareRow.id == share_id, ShareRow.owner_id == owner)
        share = _share(connection, *mine)
        if share.ended_at is not None:
            raise NotFound("share")
        if "expires_at" in changes and share.ended(now()):
            _check_room(connection, owner)
        if changes:
            if isinstance(title := changes.get("title"), str):
                changes = {**changes, "title": clean(title)}
            connection.execute(update(ShareRow).where(*mine).values(changes))
        return _share(connection, *mine)

    @writes
    def end_share(self, connection: Connection, owner: str, share_id: str) -> None:
        """Nobody reads it from now on; the next purges delete it. Raises NotFound."""
        mine = (ShareRow.id == share_id, ShareRow.owner_id == owner)
        _share(connection, *mine)
        connection.execute(update(ShareRow).where(*mine, ShareRow.ended_at.is_(None)).values(ended_at=now()))

    @reads
    def share(self, connection: Connection, share_id: str) -> Share:
        """A share by its id alone, ended or not. Raises NotFound, also while an operator has its owner
        disabled."""
        disabled = exists().where(PersonRow.owner_id == ShareRow.owner_id, PersonRow.disabled_at.is_not(None))
        return _share(connection, ShareRow.id == share_id, ~disabled)

    @reads
    def shared_messages(
        self, connection: Connection, share_id: str, start: int, limit: int
    ) -> list[SharedMessage]:
        """Its messages from number `start` on."""
        row = ShareMessageRow
        rows = connection.execute(
            select(*(getattr(row, one.name) for one in fields(SharedMessage)))
            .where(row.share_id == share_id, row.number >= start, row.number < start + limit)
            .order_by(row.number)
        )
        return [
            SharedMessage(**{**found._mapping, "tool_calls": load_calls(found.tool_calls)}) for found in rows
        ]

    @reads
    def shared_media(self, connection: Connection, share_id: str, name: str) -> Media:
        """A picture or sound that its messages name. Raises NotFound."""
        parts = connection.execute(
            select(ShareMediaRow.media_type, ShareMediaRow.data)
            .where(ShareMediaRow.share_id == share_id, ShareMediaRow.name == name)
            .order_by(ShareMediaRow.part)
        ).all()
        if not parts:
            raise NotFound("media")
        return Media(name, parts[0].media_type, b"".join(part.data for part in parts))

    @writes
    def add_views(self, connection: Connection, views: Mapping[str, int]) -> None:
        """Count views, by share."""
        for share_id, count in sorted(views.items()):
            those = update(ShareRow).where(ShareRow.id == share_id)
            connection.execute(those.values(views=ShareRow.views + count))


def message_slices(messages: Sequence[SharedMessage]) -> Iterator[Sequence[SharedMessage]]:
    """The messages in groups that each hold the writer for a moment only."""
    group: list[SharedMessage] = []
    chars = 0
    for message in messages:
        size = message.chars
        if group and (len(group) == SLICE_MESSAGES or chars + size > SLICE_CHARS):
            yield group
            group, chars = [], 0
        group.append(message)
        chars += size
    if group:
        yield group


def _check_room(connection: Connection, owner: str, size: int = 0) -> None:
    """Whether an owner may have one more share, of this size. Raises TooManyShares."""
    mine = ShareRow.owner_id == owner
    living = and_(
        ShareRow.ended_at.is_(None), or_(ShareRow.expires_at.is_(None), ShareRow.expires_at > now())
    )
    count = connection.scalar(select(func.count()).where(mine, living)) or 0
    held = connection.scalar(
        select(func.coalesce(func.sum(ShareRow.chars + _MESSAGE_BYTES * ShareRow.messages), 0)).where(mine)
    )
    if count >= MOST_SHARES or (held or 0) + size > MOST_BYTES:
        raise TooManyShares(MOST_SHARES, MOST_BYTES // 1_000_000)


def _share(connection: Connection, *those: ColumnElement[bool]) -> Share:
    query = select(*ShareRow.__table__.columns).join(ConversationRow, _LIVING)
    row = connection.execute(query.where(*those)).first()
    if row is None:
        raise NotFound("share")
    return _loaded(row)


def _loaded(row: Any) -> Share:
    return Share(**row._mapping)
