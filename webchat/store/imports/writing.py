"""Writes imported conversations, in slices so small that no reply waits for them.

What was imported is remembered by the product's own ids, per owner (`import_sources`, `import_messages`): the
same file again adds nothing, and a newer export adds only what is new, however often either is cut off
midway. What its owner deleted since stays deleted, and a title they changed stays changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, not_, select, update
from sqlalchemy.exc import IntegrityError

from backends.types import Media
from webchat.store.database.codec import clean, dump_settings, new_id, now, title_of
from webchat.store.database.tables.conversations import ConversationRow, MediaRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import JudgementRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.tables.sharing import ImportMessageRow, ImportRow, ImportSourceRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.errors import NotFound
from webchat.store.import_records import (
    OURS,
    ImportedConversation,
    ImportedMedia,
    ImportedMessage,
    ImportResult,
    Origin,
)
from webchat.store.imports.rows import MessageRows, rows_of
from webchat.store.records import calls_chars
from webchat.store.verbs.media import PART_BYTES, keep_part
from webchat.store.verbs.tree import MOST_VERSIONS, newest_leaf, own_conversation

SLICE_MESSAGES = 50
SLICE_CHARS = 100_000
"""Of one slice, or one longer message: some milliseconds of the writer."""

_KEY_CHARS = 64


class _Outrun(Exception):
    """Another import of the same conversation wrote what this one was about to write."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is here of a conversation. messages: their ids here by their ids there, deleted ones too; living:
    of those that are not deleted. torn: an import of it was cut off before its end."""

    id: str
    alive: bool
    messages: Mapping[str, str] = field(default_factory=dict)
    living: frozenset[str] = frozenset()
    torn: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to write of a conversation. ids: of its messages here by their keys, of those to write and those
    that are here; alive: those of them that are not deleted; new: those to write, parents first."""

    id: str
    begins: bool
    ids: Mapping[str, str]
    alive: frozenset[str]
    new: Sequence[ImportedMessage]
    leaf: str | None


class ImportVerbs(Database):
    """Importing conversations."""

    @long
    def import_conversation(
        self, owner: str, imported: ImportedConversation, job: str | None = None
    ) -> ImportResult:
        """Write a conversation, or what is new of one that was imported before. Its messages form a tree,
        parents before children. job: the import it belongs to, if it began in the page. Raises NotFound for
        an unknown or removed owner, and once the import was cancelled."""
        while True:
            known = self._known_import(owner, imported.product, source_key(imported.source))
            if known is not None and not known.alive:
                return ImportResult("deleted")
            plan = _plan(imported, known)
            media = self._new_media(imported, plan) if imported.media else []
            if known is not None and not plan.new and not media and not known.torn:
                return ImportResult("unchanged", plan.id)
            try:
                for _ in self.slices(self._writing(owner, imported, plan, media, job)):
                    pass
            except _Outrun:
                continue
            return ImportResult("new" if plan.begins else "extended", plan.id, len(plan.new))

    @reads
    def import_known(
        self, connection: Connection, owner: str, imported: ImportedConversation
    ) -> ImportResult:
        """What `import_conversation` would do, roughly: without looking at its messages."""
        known = _source(connection, owner, imported.product, source_key(imported.source))
        if known is None:
            return ImportResult("new")
        id, alive = known
        return ImportResult("unchanged", id) if alive else ImportResult("deleted")

    @reads
    def origin(self, connection: Connection, owner: str, conversation_id: str) -> Origin:
        """Where a conversation was imported from. Raises NotFound, also for one that was not imported."""
        own_conversation(connection, owner, conversation_id)
        row = connection.execute(
            select(*ImportSourceRow.__table__.columns).where(
                ImportSourceRow.conversation_id == conversation_id, ImportSourceRow.owner_id == owner
            )
        ).first()
        if row is None:
            raise NotFound("origin")
        return Origin(row.product, row.source, row.at, row.details or {})

    def _writing(
        self,
        owner: str,
        imported: ImportedConversation,
        plan: _Plan,
        media: Sequence[tuple[str, ImportedMedia]],
        job: str | None,
    ) -> Iterator[Any]:
        if plan.begins:
            yield partial(self._begin_import, owner, imported, plan.id, job)
        for some in _slices(plan.new):
            yield partial(self._add_imported, owner, plan, rows_of(owner, plan.id, some, plan.ids, imported))
        for message_id, one in media:
            data = one.read() or b""
            found = Media(one.name, one.media_type, data)
            for part, start in enumerate(range(0, len(data), PART_BYTES)):
                piece = data[start : start + PART_BYTES]
                yield partial(self._add_media, owner, plan, message_id, found, part, piece)
        yield partial(self._end_import, owner, imported, plan)

    def _new_media(self, imported: ImportedConversation, plan: _Plan) -> Sequence[tuple[str, ImportedMedia]]:
        """The pictures and sounds that living messages name and do not have, with the messages' ids."""
        texts = {source_key(one.id): one.text + one.reasoning for one in imported.messages}
        there = self._sizes_of_media(plan.id)
        keyed = ((source_key(one.message), one) for one in imported.media)
        wanted = [
            (plan.ids[key], one)
            for key, one in keyed
            if key in plan.ids and f";id={one.name}," in texts.get(key, "")
        ]
        return [(id, one) for id, one in wanted if id in plan.alive and there.get((id, one.name)) != one.size]

    @reads
    def _sizes_of_media(self, connection: Connection, conversation_id: str) -> dict[tuple[str, str], int]:
        rows = connection.execute(
            select(MediaRow.message_id, MediaRow.name, func.sum(func.length(MediaRow.data)))
            .join(MessageRow, MessageRow.id == MediaRow.message_id)
            .where(MessageRow.conversation_id == conversation_id)
            .group_by(MediaRow.message_id, MediaRow.name)
        )
        return {(id, name): int(size) for id, name, size in rows}

    @writes
    def _add_media(
        self,
        connection: Connection,
        owner: str,
        plan: _Plan,
        message_id: str,
        media: Media,
        part: int,
        data: bytes,
    ) -> None:
        _check_alive(connection, owner, plan.id)
        keep_part(self.dialect, connection, message_id, media, part, data)

    @reads
    def _known_import(self, connection: Connection, owner: str, product: str, source: str) -> _Known | None:
        found = _source(connection, owner, product, source)
        if found is None:
            return None
        id, alive = found
        if not alive:
            return _Known(id, False)
        messages = dict(
            connection.execute(
                select(ImportMessageRow.source, ImportMessageRow.message_id).where(
                    ImportMessageRow.conversation_id == id
                )
            ).all()
        )
        living = select(MessageRow.id).where(
            MessageRow.conversation_id == id, MessageRow.deleted_at.is_(None)
        )
        here = frozenset(connection.scalars(living))
        if product == OURS and id == source:
            own = connection.scalars(select(MessageRow.id).where(MessageRow.conversation_id == id))
            messages |= {one: one for one in own}
        shown = connection.scalar(select(ConversationRow.active_leaf_id).where(ConversationRow.id == id))
        return _Known(id, True, messages, here, shown is None and bool(here))

    @writes
    def _begin_import(
        self,
        connection: Connection,
        owner: str,
        imported: ImportedConversation,
        conversation_id: str,
        job: str | None,
    ) -> None:
        _check_wanted(connection, owner, job)
        moment = now()
        source = {
            "owner_id": owner,
            "product": imported.product,
            "source": source_key(imported.source),
            "conversation_id": conversation_id,
            "at": moment,
            "details": dict(imported.details) or None,
        }
        if not self.dialect.insert_once(connection, ImportSourceRow, source):
            raise _Outrun
        said = next((message.text for message in imported.messages if message.role == "user"), "")
        title = clean(imported.title) or title_of(clean(said))
        created = imported.created_at or moment
        values = {
            "id": conversation_id,
            "owner_id": owner,
            "title": title,
            "title_by": imported.title_by if imported.title else "auto",
            "pinned": imported.pinned,
            "archived": imported.archived,
            "created_at": created,
            "updated_at": imported.updated_at or created,
            "settings": dump_settings(imported.settings),
        }
        try:
            connection.execute(insert(ConversationRow), values)
        except IntegrityError as error:
            raise NotFound("owner") from error  # there is nothing else it refers to
        connection.execute(
            insert(SearchEntryRow).values(owner_id=owner, conversation_id=conversation_id, owed=1)
        )

    @writes
    def _add_imported(self, connection: Connection, owner: str, plan: _Plan, rows: MessageRows) -> None:
        """Add messages whose words the search index is owed: they come soon after."""
        _check_alive(connection, owner, plan.id)
        if self.dialect.insert_new(connection, ImportMessageRow, rows.sources) != len(rows.sources):
            raise _Outrun
        connection.execute(insert(MessageRow), rows.messages)
        if rows.turns:
            connection.execute(insert(TurnRow), rows.turns)
        if rows.judgements:
            connection.execute(insert(JudgementRow), rows.judgements)
        connection.execute(insert(SearchEntryRow), rows.entries)

    @writes
    def _end_import(
        self, connection: Connection, owner: str, imported: ImportedConversation, plan: _Plan
    ) -> None:
        """Show the branch that the file shows, unless its owner went on here."""
        row = _check_alive(connection, owner, plan.id)
        shown, known = row.active_leaf_id, set(plan.ids.values())
        values: dict[str, Any] = {}
        if plan.leaf is not None and (shown is None or shown in known):
            values["active_leaf_id"] = plan.leaf
        elif shown is None and plan.ids:
            values["active_leaf_id"] = newest_leaf(connection, next(iter(plan.ids.values())))
        if imported.updated_at is not None and imported.updated_at > row.updated_at:
            values["updated_at"] = imported.updated_at
        if values:
            connection.execute(update(ConversationRow).where(ConversationRow.id == plan.id).values(values))


def source_key(source: str) -> str:
    """A product's id as it is stored: itself, or the digest of one that is long or odd."""
    if 0 < len(source) <= _KEY_CHARS and source.isascii() and source.isprintable():
        return source
    return sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def _source(connection: Connection, owner: str, product: str, source: str) -> tuple[str, bool] | None:
    """The conversation of a source, and whether it is alive."""
    id = connection.scalar(
        select(ImportSourceRow.conversation_id).where(
            ImportSourceRow.owner_id == owner,
            ImportSourceRow.product == product,
            ImportSourceRow.source == source,
        )
    )
    wanted = id if id is not None else source
    row = connection.execute(
        select(ConversationRow.deleted_at).where(
            ConversationRow.id == wanted, ConversationRow.owner_id == owner
        )
    ).first()
    if id is None and (product != OURS or row is None):
        return None
    return wanted, row is not None and row.deleted_at is None


def _check_wanted(connection: Connection, owner: str, job: str | None) -> None:
    """Lock the import, or without one its owner, until the conversation is theirs, so that removing a person
    finds it or keeps it from being written. Raises NotFound."""
    if job is not None:
        query = select(ImportRow.id).where(ImportRow.id == job, ImportRow.owner_id == owner)
    else:
        removed = and_(OwnerRow.kind == "visitor", OwnerRow.name == "")  # what removal leaves of a person
        query = select(OwnerRow.id).where(OwnerRow.id == owner, not_(removed))
    if connection.scalar(query.with_for_update()) is None:
        raise NotFound("owner" if job is None else "import")


def _check_alive(connection: Connection, owner: str, conversation_id: str) -> Row[*tuple[Any, ...]]:
    """The conversation, locked. Raises _Outrun if it was deleted meanwhile."""
    row = connection.execute(
        select(ConversationRow.active_leaf_id, ConversationRow.updated_at)
        .where(
            ConversationRow.id == conversation_id,
            ConversationRow.owner_id == owner,
            ConversationRow.deleted_at.is_(None),
        )
        .with_for_update()
    ).first()
    if row is None:
        raise _Outrun
    return row


def _plan(imported: ImportedConversation, known: _Known | None) -> _Plan:
    """Only what hangs under living messages is new: an answer to a deleted question stays away like it."""
    ids = {} if known is None else dict(known.messages)
    alive = set() if known is None else set(known.living)
    places: dict[tuple[str | None, str], int] = {}
    new: list[ImportedMessage] = []
    for message in imported.messages:
        key, parent = source_key(message.id), message.parent and source_key(message.parent)
        place = (parent, message.role)
        places[place] = places.get(place, 0) + 1
        if key in ids or (parent is not None and ids.get(parent) not in alive):
            continue
        if places[place] > MOST_VERSIONS:
            continue
        ids[key] = new_id()
        alive.add(ids[key])
        new.append(replace(message, id=key, parent=parent))
    last = imported.leaf and ids.get(source_key(imported.leaf))
    if last not in alive:
        last = ids[new[-1].id] if new else None
    return _Plan(new_id() if known is None else known.id, known is None, ids, frozenset(alive), new, last)


def _slices(messages: Sequence[ImportedMessage]) -> Iterator[Sequence[ImportedMessage]]:
    start = chars = 0
    for at, message in enumerate(messages):
        size = len(message.text) + len(message.reasoning) + calls_chars(message.tool_calls)
        if at > start and (at - start == SLICE_MESSAGES or chars + size > SLICE_CHARS):
            yield messages[start:at]
            start, chars = at, 0
        chars += size
    if start < len(messages):
        yield messages[start:]
