"""Permanently deletes data from the trash, in slices so small that no reply waits for them.

The work is found by reading, alongside the writer; the writer receives ids to remove, at most `SLICE_ROWS`
rows and about `SLICE_CHARS` characters at a time. Each slice leaves a consistent database, and each purge
continues what an earlier one left. Data that a purge has begun to delete cannot be restored: `restore_...`
refuses everything deleted before `Database.purged_before`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    cast,
    delete,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from webchat.store.database.dialect import Debt
from webchat.store.database.tables.base import FLEETING
from webchat.store.database.tables.conversations import (
    ConversationRow,
    InspectionRow,
    JournalRow,
    MediaRow,
    MessageRow,
    PlaceholderRow,
    ReplicaRow,
    TurnRow,
)
from webchat.store.database.tables.judgements import ComparisonRow, JudgementRow, ReviewRow
from webchat.store.database.tables.links import AnswerRow, ConsentRow, HandoverRow, LinkRow, TesterNoteRow
from webchat.store.database.tables.operating import (
    ChatTemplateRow,
    DecisionRow,
    PromptTemplateRow,
    PromptTemplateVersionRow,
)
from webchat.store.database.tables.people import ApiKeyRow, OwnerRow, PersonRow
from webchat.store.database.tables.replays import ReplayItemRow, ReplayReplyRow, ReplayRunRow, ReplaySetRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.tables.sharing import ImportMessageRow, ImportRow, ImportSourceRow, ShareRow
from webchat.store.database.transactions import chore, reads, writes
from webchat.store.judgements.rows import may_replay, replayed_from
from webchat.store.replays.sets import discard_copies
from webchat.store.search.index import merge_parts, remove_words, take_part
from webchat.store.upkeep.share_removal import ShareRemoval
from webchat.store.upkeep.slicing import SLICE_ROWS, slices_of

MERGE_PAGES = 16
"""Pages of the search index that one slice merges."""
LOG_TRIES = 50

_PLANNED = 2000
"""Rows looked up at a time."""
_CONVERSATIONS = 50

_log = logging.getLogger(__name__)

_COMPARED = (ComparisonRow.asked_id, ComparisonRow.left_id, ComparisonRow.right_id)

Work = Iterator[Callable[[], int]]


class PurgeVerbs(ShareRemoval):
    """Permanent deletion."""

    @chore
    def purge(self, before: datetime) -> int:
        """Permanently delete data that was deleted before this moment, and older owners who never had
        anything. Returns the number of conversations, messages and templates deleted. Shares go with their
        conversation, or when they have been over for as long.

        On SQLite no trace of their text remains in the database file or its log, unless the database is
        closed meanwhile: then the next purge continues.
        """
        # Not what is deleted from now on, even where all until next year is to go.
        self.purged_before = max(self.purged_before, min(before, datetime.now(UTC)))
        if self.replica is not None:
            self._tell_purge()
        gone = sum(self.slices(self._removals(before)))
        for _ in self.slices(self._unwanted_owners(before)):
            pass
        self._scrub()
        return gone

    @writes
    def _tell_purge(self, connection: Connection) -> None:
        """Let no other process restore what goes now."""
        own = update(ReplicaRow).where(ReplicaRow.id == self.replica)
        connection.execute(own.values(purges_before=self.purged_before))

    @reads
    def owns_anything(self, connection: Connection, owner_id: str) -> bool:
        """Whether an owner owns or wrote anything, including deleted data, or is a person who signs in."""
        empty = connection.scalar(select(_is_empty()).where(OwnerRow.id == owner_id))
        return empty is not None and not empty

    def _removals(self, before: datetime) -> Work:
        """Work that returns how many things went."""
        while strays := self._strays():
            yield partial(self._mark_strays, strays)
        while shares := self._ended_shares(before):
            yield from self._shares(shares)
        while copies := self._replayed(before):
            yield partial(self._discard_replayed, copies)
        while conversations := self._conversations(before):
            inside = MessageRow.conversation_id.in_(conversations)
            yield from self._contents(conversations)
            yield from self._messages(inside)
            yield partial(self._take_conversations, conversations)
        yield from self._messages(MessageRow.deleted_at < before)
        while templates := self._templates(before):
            for versions in slices_of(self._versions(templates)):
                yield partial(self._take_versions, versions)
            yield partial(self._take_templates, templates)

    def _contents(self, conversations: Sequence[str]) -> Work:
        """What hangs on whole conversations beside their messages."""
        for numbers in slices_of(self._decisions(DecisionRow.conversation_id.in_(conversations))):
            yield partial(self._forget_content, numbers)
        for placeholders in slices_of(self._placeholders(conversations)):
            yield partial(self._take_placeholders, placeholders)
        while sources := self._import_messages(conversations):
            for some in slices_of(sources):
                yield partial(self._take_import_messages, some)
        while shares := self._shares_of(conversations):
            yield from self._shares(shares)

    def _messages(self, doomed: ColumnElement[bool]) -> Work:
        while sizes := self._sizes(doomed):
            ids = [id for id, _ in sizes]
            # What a person wrote is logged before it is a message: where a message goes, the text of all that
            # was written in its conversation goes from the log.
            touched = select(MessageRow.conversation_id).where(MessageRow.id.in_(ids))
            written = or_(DecisionRow.message_id.is_(None), DecisionRow.message_id.in_(ids))
            of_them = and_(DecisionRow.conversation_id.in_(touched), written)
            for numbers in slices_of(self._decisions(of_them)):
                yield partial(self._forget_content, numbers)
            for number, parts in self._in_parts(ids):
                for part in range(parts, 0, -1):
                    yield partial(self._take_part, number, part)
            for media in self._media(ids):
                yield partial(self._take_media, *media)
            for some in slices_of(sizes):
                yield partial(self._take_messages, some)

    @reads
    def _strays(self, connection: Connection) -> list[str]:
        """Living messages under a deleted one: a deletion that did not come to its end."""
        parent = aliased(MessageRow)
        query = select(MessageRow.id).join(parent, parent.id == MessageRow.under_id)
        found = query.where(parent.deleted_at.is_not(None), MessageRow.deleted_at.is_(None))
        return list(connection.scalars(found.limit(SLICE_ROWS)))

    @writes
    def _mark_strays(self, connection: Connection, ids: Sequence[str]) -> int:
        parent = aliased(MessageRow)
        when = select(parent.deleted_at).where(parent.id == MessageRow.under_id).scalar_subquery()
        connection.execute(update(MessageRow).where(MessageRow.id.in_(ids)).values(deleted_at=when))
        return 0

    @reads
    def _replayed(self, connection: Connection, before: datetime) -> list[str]:
        """Conversations that what is deleted, or not shown any more, was copied to for replays."""
        of_item = and_(
            ReplayItemRow.set_id == ReplayRunRow.set_id, ReplayItemRow.number == ReplayReplyRow.number
        )
        query = replayed_from(
            select(ReplayReplyRow.conversation_id)
            .join(ReplayRunRow, ReplayRunRow.id == ReplayReplyRow.run_id)
            .join(ReplayItemRow, of_item)
            .join(MessageRow, MessageRow.id == ReplayItemRow.message_id)
        ).where(
            or_(
                MessageRow.deleted_at < before,
                ConversationRow.deleted_at < before,
                not_(may_replay(ReplayRunRow.owner_id)),
            )
        )
        return list(connection.scalars(query.limit(SLICE_ROWS)))

    @writes
    def _discard_replayed(self, connection: Connection, ids: Sequence[str]) -> int:
        discard_copies(connection, ids)
        return 0

    @reads
    def _conversations(self, connection: Connection, before: datetime) -> list[str]:
        deleted = (ConversationRow.deleted_at < before, ConversationRow.deleted_at != FLEETING)
        query = select(ConversationRow.id).where(*deleted)
        return list(connection.scalars(query.limit(_CONVERSATIONS)))

    @reads
    def _sizes(self, connection: Connection, doomed: ColumnElement[bool]) -> list[tuple[str, int]]:
        """Ids of messages, and about how many characters hang on each."""
        size = (
            func.length(MessageRow.text)
            + func.length(MessageRow.reasoning)
            + func.coalesce(func.length(InspectionRow.content), 0)
            + func.coalesce(func.length(cast(MessageRow.tool_calls, Text)), 0)
            + func.coalesce(func.length(cast(TurnRow.options, Text)), 0)
            + func.coalesce(func.length(cast(TurnRow.prompt, Text)), 0)
        )
        query = (
            select(MessageRow.id, size)
            .outerjoin(TurnRow, TurnRow.message_id == MessageRow.id)
            .outerjoin(InspectionRow, InspectionRow.message_id == MessageRow.id)
            .where(doomed)
            .limit(_PLANNED)
        )
        return [(id, chars) for id, chars in connection.execute(query)]

    @reads
    def _in_parts(self, connection: Connection, ids: Sequence[str]) -> list[tuple[int, int]]:
        """The entries of messages whose words the index has in parts, and how many each has."""
        query = select(SearchEntryRow.number, SearchEntryRow.parts)
        those = query.where(SearchEntryRow.message_id.in_(ids), SearchEntryRow.parts > 0)
        return [(number, parts) for number, parts in connection.execute(those)]

    @reads
    def _media(self, connection: Connection, ids: Sequence[str]) -> list[tuple[str, str, int]]:
        """The parts of pictures and sounds, each a slice of its own."""
        query = select(MediaRow.message_id, MediaRow.name, MediaRow.part)
        return [(*row,) for row in connection.execute(query.where(MediaRow.message_id.in_(ids)))]

    @reads
    def _decisions(self, connection: Connection, those: ColumnElement[bool]) -> list[tuple[int, int]]:
        """Numbers of decisions whose log keeps a text, and how long it is."""
        query = select(DecisionRow.number, func.length(DecisionRow.content))
        return [
            (number, chars)
            for number, chars in connection.execute(query.where(those, DecisionRow.content.is_not(None)))
        ]

    @reads
    def _placeholders(self, connection: Connection, conversations: Sequence[str]) -> list[tuple[Any, int]]:
        key = (PlaceholderRow.conversation_id, PlaceholderRow.placeholder)
        query = select(*key, func.length(PlaceholderRow.value))
        rows = connection.execute(query.where(PlaceholderRow.conversation_id.in_(conversations)))
        return [((conversation, name), size) for conversation, name, size in rows]

    @reads
    def _import_messages(self, connection: Connection, conversations: Sequence[str]) -> list[tuple[Any, int]]:
        key = (ImportMessageRow.conversation_id, ImportMessageRow.source)
        rows = connection.execute(
            select(*key).where(ImportMessageRow.conversation_id.in_(conversations)).limit(_PLANNED)
        )
        return [((conversation, source), 0) for conversation, source in rows]

    @reads
    def _templates(self, connection: Connection, before: datetime) -> list[str]:
        query = select(PromptTemplateRow.id).where(PromptTemplateRow.deleted_at < before)
        return list(connection.scalars(query.limit(SLICE_ROWS)))

    @reads
    def _versions(self, connection: Connection, templates: Sequence[str]) -> list[tuple[Any, int]]:
        table = PromptTemplateVersionRow
        query = select(table.template_id, table.number, func.length(cast(table.content, Text)))
        rows = connection.execute(query.where(table.template_id.in_(templates)))
        return [((template, number), size) for template, number, size in rows]

    @writes
    def _forget_content(self, connection: Connection, numbers: Sequence[int]) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        those = update(DecisionRow).where(DecisionRow.number.in_(numbers))
        connection.execute(those.values(content=None))
        return 0

    @writes
    def _take_placeholders(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> int:
        for conversation, name in keys:
            of_one = PlaceholderRow.conversation_id == conversation
            connection.execute(delete(PlaceholderRow).where(of_one, PlaceholderRow.placeholder == name))
        return 0

    @writes
    def _take_import_messages(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> int:
        for conversation, source in keys:
            of_one = ImportMessageRow.conversation_id == conversation
            connection.execute(delete(ImportMessageRow).where(of_one, ImportMessageRow.source == source))
        return 0

    @writes
    def _take_part(self, connection: Connection, number: int, part: int) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        take_part(connection, number, part)
        return 0

    @writes
    def _take_media(self, connection: Connection, message: str, name: str, part: int) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        of_one = and_(MediaRow.message_id == message, MediaRow.name == name, MediaRow.part == part)
        connection.execute(delete(MediaRow).where(of_one))
        return 0

    @writes
    def _take_messages(self, connection: Connection, ids: Sequence[str]) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        _take_entries(connection, SearchEntryRow.message_id.in_(ids))
        voted = or_(*(one.in_(ids) for one in _COMPARED))
        connection.execute(delete(ComparisonRow).where(voted))
        replayed = or_(ReplayReplyRow.asked_id.in_(ids), ReplayReplyRow.reply_id.in_(ids))
        connection.execute(delete(ReplayReplyRow).where(replayed))
        connection.execute(delete(ReplayItemRow).where(ReplayItemRow.message_id.in_(ids)))
        for table in (JournalRow, JudgementRow, InspectionRow, MediaRow, TurnRow):
            connection.execute(delete(table).where(table.message_id.in_(ids)))
        # What hangs under them goes as well, in another slice; `under_id` still says where it hung.
        below = update(MessageRow).where(MessageRow.parent_id.in_(ids), MessageRow.id.not_in(ids))
        connection.execute(below.values(parent_id=None))
        return connection.execute(delete(MessageRow).where(MessageRow.id.in_(ids))).rowcount

    @writes
    def _take_conversations(self, connection: Connection, ids: Sequence[str]) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        _take_entries(connection, SearchEntryRow.conversation_id.in_(ids))
        connection.execute(delete(TesterNoteRow).where(TesterNoteRow.conversation_id.in_(ids)))
        # That they were imported is remembered, so that they are not imported again; nothing that was in
        # them.
        sources = update(ImportSourceRow).where(ImportSourceRow.conversation_id.in_(ids))
        connection.execute(sources.values(details=None))
        return connection.execute(delete(ConversationRow).where(ConversationRow.id.in_(ids))).rowcount

    @writes
    def _take_versions(self, connection: Connection, keys: Sequence[tuple[str, int]]) -> int:
        self.dialect.owe(connection, Debt.WORDS)
        table = PromptTemplateVersionRow
        for template, number in keys:
            connection.execute(delete(table).where(table.template_id == template, table.number == number))
        return 0

    @writes
    def _take_templates(self, connection: Connection, ids: Sequence[str]) -> int:
        return connection.execute(delete(PromptTemplateRow).where(PromptTemplateRow.id.in_(ids))).rowcount

    def _unwanted_owners(self, before: datetime) -> Work:
        after = ""
        while page := self._owners(before, after):
            after = page[-1][0]
            if empty := [id for id, is_empty in page if is_empty]:
                for start in range(0, len(empty), SLICE_ROWS):
                    yield partial(self._take_owners, before, empty[start : start + SLICE_ROWS])

    @reads
    def _owners(self, connection: Connection, before: datetime, after: str) -> list[tuple[str, bool]]:
        """Owners who may be empty, in the order of their ids, and whether they are."""
        query = select(OwnerRow.id, _is_empty()).where(_passing(before), OwnerRow.id > after)
        rows = connection.execute(query.order_by(OwnerRow.id).limit(_PLANNED))
        return [(id, is_empty) for id, is_empty in rows]

    @writes
    def _take_owners(self, connection: Connection, before: datetime, ids: Sequence[str]) -> int:
        those = select(OwnerRow.id).where(OwnerRow.id.in_(ids), _passing(before))
        # Locked, then asked once more: one of them may just be writing a first message.
        locked = list(connection.scalars(those.with_for_update()))
        gone = connection.scalars(
            delete(OwnerRow).where(OwnerRow.id.in_(locked), _is_empty()).returning(OwnerRow.id)
        ).all()
        connection.execute(delete(ImportSourceRow).where(ImportSourceRow.owner_id.in_(gone)))
        return len(gone)

    def _scrub(self) -> None:
        """Finish what is owed on the files: first the words in the index, then the log."""
        owed = self._owed()
        if owed == Debt.WORDS:
            # Interrupted, this begins anew next time; parts that are merged stay so.
            for _ in self.slices(self._merges()):
                pass
        if owed == Debt.NOTHING or self.closing:
            return
        for more in self.slices(self._log_scrubbing()):
            if not more:
                self.in_turn(self._settle)
                return
        _log.info("the database's log is still being read; the next purge will clear it")

    @reads
    def _owed(self, connection: Connection) -> Debt:
        return self.dialect.owed(connection)

    def _merges(self) -> Work:
        more = True

        def merge(pages: int) -> int:
            nonlocal more
            more = self._merge(pages)
            return more

        yield partial(merge, -MERGE_PAGES)
        while more:
            yield partial(merge, MERGE_PAGES)
        yield self._words_are_gone

    @writes
    def _merge(self, connection: Connection, pages: int) -> bool:
        return merge_parts(connection, pages)

    @writes
    def _words_are_gone(self, connection: Connection) -> int:
        self.dialect.owe(connection, Debt.LOG)
        return 0

    def _log_scrubbing(self) -> Work:
        """Work that returns 0 when nothing of before is in the log."""
        for _ in range(LOG_TRIES):
            self.dialect.tidy_log()
            yield lambda: not self.dialect.scrub_log(self._engines[True])

    @writes
    def _settle(self, connection: Connection) -> None:
        self.dialect.owe(connection, Debt.NOTHING)


def _take_entries(connection: Connection, those: ColumnElement[bool]) -> None:
    entries = connection.execute(select(SearchEntryRow.number, SearchEntryRow.parts).where(those))
    remove_words(connection, [(number, parts) for number, parts in entries])
    connection.execute(delete(SearchEntryRow).where(those))


def _passing(before: datetime) -> ColumnElement[bool]:
    """Visitors, and guests whose link has ended, who have been here since before this moment."""
    ended = exists().where(
        LinkRow.id == OwnerRow.link_id, or_(LinkRow.revoked_at < before, LinkRow.expires_at < before)
    )
    kind = or_(OwnerRow.kind == "visitor", and_(OwnerRow.kind == "guest", ended))
    return and_(kind, OwnerRow.created_at < before)


def _is_empty() -> ColumnElement[bool]:
    """Whether an owner owns and wrote nothing, and is no person who signs in."""
    marks = (
        PersonRow.owner_id,
        ApiKeyRow.owner_id,
        ConversationRow.owner_id,
        MessageRow.author_id,
        JudgementRow.owner_id,
        ComparisonRow.owner_id,
        ReviewRow.reviewer_id,
        SearchEntryRow.owner_id,
        ShareRow.owner_id,
        PromptTemplateRow.owner_id,
        PromptTemplateVersionRow.author_id,
        ReplaySetRow.owner_id,
        ReplayRunRow.owner_id,
        ChatTemplateRow.author_id,
        ConsentRow.owner_id,
        AnswerRow.owner_id,
        HandoverRow.owner_id,
        ImportRow.owner_id,
    )
    return and_(*(~exists(select(literal(1)).where(mark == OwnerRow.id)) for mark in marks))
