"""Moves one owner's data to another, where both are the same person.

On a loopback address there is one owner without a link; with links, that person has a cookie instead. And
whoever signs in may have had chats in the same browser before. All should find their chats either way.

A chat moves only between replies: one that is being written counts for whoever asked for it, and ends with
their link or their session.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, false, func, or_, select, update
from sqlalchemy.orm import aliased

from webchat.store.database.codec import load_link, load_owner
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.tables.operating import PromptTemplateRow
from webchat.store.database.tables.people import OwnerRow, PersonRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.database.tables.sharing import ImportSourceRow, ShareRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.errors import NotFound
from webchat.store.records import MovableChats, OwnerKind
from webchat.store.search.index import hand_over, words_for
from webchat.store.upkeep.purge import Work
from webchat.store.upkeep.slicing import slices_of

_CONVERSATIONS = 50
"""Moved together: their entries in the search index first, then they themselves, at once."""


class MovingVerbs(Database):
    """Moving chats between owners."""

    @reads
    def movable_chats(
        self, connection: Connection, owner: str, held: Sequence[str] = ()
    ) -> list[MovableChats]:
        """What this owner may take over now, by giver, the newest giver last; givers without such chats are
        left out. held: ids of whoever the same browser was before, without signing in. Raises NotFound."""
        allowed = _givers(connection, owner, held)
        query = select(*OwnerRow.__table__.columns).where(allowed).order_by(OwnerRow.created_at, OwnerRow.id)
        givers = connection.execute(query).all()
        chats = _count(connection, OwnerRow.id.in_([giver.id for giver in givers]), ~_WRITING)
        return [MovableChats(load_owner(giver), chats[giver.id]) for giver in givers if giver.id in chats]

    @reads
    def count_chats(self, connection: Connection, kind: OwnerKind) -> dict[str, int]:
        """How many chats the owners of a kind have, by their ids; without those who have none."""
        return _count(connection, OwnerRow.kind == kind)

    @long
    def move_chats(self, owner: str, giver: str, held: Sequence[str] = (), *, templates: bool = True) -> int:
        """Make the giver's chats, archived and deleted ones too, and their prompt templates this owner's;
        without `templates`, those stay. So do chats in which a reply is being written, to be offered later.
        Returns how many chats moved. Raises NotFound for a giver whom `movable_chats` cannot name.

        Each chat is one owner's or the other's at any moment. What is cut off midway goes on when it is asked
        for again.
        """
        self._check_giver(owner, giver, held)
        moved = 0
        while chats := self._chats_of(giver):
            moved += sum(self.slices(self._handing_over(chats, owner, giver)))
            if self.closing:
                return moved
        if templates:
            self.in_turn(self._hand_templates, owner, giver)
        return moved

    def _handing_over(self, chats: Sequence[str], owner: str, giver: str) -> Work:
        for numbers in slices_of(self._entries_of(chats, giver)):
            yield partial(self._hand_entries, owner, giver, self._words_of(numbers, owner))
        yield partial(self._hand_chats, chats, owner, giver)

    @reads
    def _check_giver(self, connection: Connection, owner: str, giver: str, held: Sequence[str]) -> None:
        allowed = select(OwnerRow.id).where(OwnerRow.id == giver, _givers(connection, owner, held))
        if connection.scalar(allowed) is None:
            raise NotFound("owner")

    @reads
    def _chats_of(self, connection: Connection, owner: str) -> list[str]:
        theirs = (ConversationRow.owner_id == owner, ConversationRow.kind == "chat")
        query = select(ConversationRow.id).where(*theirs, ~_WRITING)
        return list(connection.scalars(query.limit(_CONVERSATIONS)))

    @reads
    def _entries_of(self, connection: Connection, chats: Sequence[str], giver: str) -> list[tuple[int, int]]:
        """The entries of chats that are still the giver's, with about how many characters each has."""
        query = (
            select(SearchEntryRow.number, func.coalesce(func.length(MessageRow.text), 0))
            .outerjoin(MessageRow, MessageRow.id == SearchEntryRow.message_id)
            .where(SearchEntryRow.conversation_id.in_(chats), SearchEntryRow.owner_id == giver)
        )
        return [(number, chars) for number, chars in connection.execute(query)]

    @reads
    def _words_of(
        self, connection: Connection, numbers: Sequence[int], owner: str
    ) -> list[tuple[int, str | None]]:
        query = (
            select(SearchEntryRow.number, func.coalesce(MessageRow.text, ConversationRow.title))
            .join(ConversationRow, ConversationRow.id == SearchEntryRow.conversation_id)
            .outerjoin(MessageRow, MessageRow.id == SearchEntryRow.message_id)
            .where(SearchEntryRow.number.in_(numbers))
        )
        return [(number, words_for(owner, content)) for number, content in connection.execute(query)]

    @writes
    def _hand_entries(
        self, connection: Connection, owner: str, giver: str, words: Sequence[tuple[int, str | None]]
    ) -> int:
        hand_over(connection, words, owner, giver)
        return 0

    @writes
    def _hand_chats(self, connection: Connection, chats: Sequence[str], owner: str, giver: str) -> int:
        # Locked before they are looked at: a reply may begin in another process's transaction.
        theirs = (ConversationRow.id.in_(chats), ConversationRow.owner_id == giver)
        connection.execute(select(ConversationRow.id).where(*theirs).with_for_update())
        chats = list(connection.scalars(select(ConversationRow.id).where(*theirs, ~_WRITING)))
        entries = select(SearchEntryRow.number).where(
            SearchEntryRow.conversation_id.in_(chats), SearchEntryRow.owner_id == giver
        )
        if connection.scalar(entries.limit(1)) is not None:
            return 0  # written meanwhile; the next round hands them over first
        judged = select(MessageRow.id).where(MessageRow.conversation_id.in_(chats))
        connection.execute(
            update(JudgementRow)
            .where(JudgementRow.message_id.in_(judged), JudgementRow.owner_id == giver)
            .values(owner_id=owner)
        )
        compared = (ComparisonRow.conversation_id.in_(chats), ComparisonRow.owner_id == giver)
        connection.execute(update(ComparisonRow).where(*compared).values(owner_id=owner))
        shared = (ShareRow.conversation_id.in_(chats), ShareRow.owner_id == giver)
        connection.execute(update(ShareRow).where(*shared).values(owner_id=owner))
        _hand_sources(connection, chats, owner, giver)
        # The key of the request that began it was the giver's: nobody asks with it again.
        return connection.execute(
            update(ConversationRow)
            .where(ConversationRow.id.in_(chats), ConversationRow.owner_id == giver)
            .values(owner_id=owner, client_key=None)
        ).rowcount

    @writes
    def _hand_templates(self, connection: Connection, owner: str, giver: str) -> None:
        connection.execute(
            update(PromptTemplateRow).where(PromptTemplateRow.owner_id == giver).values(owner_id=owner)
        )


def _hand_sources(connection: Connection, chats: Sequence[str], owner: str, giver: str) -> None:
    """Where chats were imported from; of what both imported, the owner's own counts from now on."""
    theirs = (ImportSourceRow.conversation_id.in_(chats), ImportSourceRow.owner_id == giver)
    own = aliased(ImportSourceRow)
    twice = exists().where(
        own.owner_id == owner, own.product == ImportSourceRow.product, own.source == ImportSourceRow.source
    )
    connection.execute(update(ImportSourceRow).where(*theirs, ~twice).values(owner_id=owner))
    connection.execute(delete(ImportSourceRow).where(*theirs))


_WRITING = exists().where(TurnRow.conversation_id == ConversationRow.id, TurnRow.finished_at.is_(None))


def _givers(connection: Connection, owner: str, held: Sequence[str]) -> ColumnElement[bool]:
    """Whose chats an owner may take: an operator those of the loopback start, which takes those of operators
    who don't sign in; and whoever signs in those of whom their own browser held the cookie, unless a link hid
    something of them. No tester takes any, and nobody those of somebody who signs in. Raises NotFound."""
    kind = connection.scalar(select(OwnerRow.kind).where(OwnerRow.id == owner))
    if kind is None:
        raise NotFound("owner")
    signs_in = exists().where(PersonRow.owner_id == OwnerRow.id)
    allowed: list[ColumnElement[bool]] = [false()]
    if kind == "operator":
        allowed.append(OwnerRow.kind == "local")
    if kind == "local":
        allowed.append(and_(OwnerRow.kind == "operator", ~signs_in))
    if connection.scalar(select(PersonRow.owner_id).where(PersonRow.owner_id == owner)) is not None:
        earlier = (
            OwnerRow.id.in_(_unhidden(connection, held)),
            OwnerRow.kind.in_(("visitor", "guest", "operator")),
        )
        allowed.append(and_(*earlier, ~signs_in))
    return or_(*allowed)


def _unhidden(connection: Connection, held: Sequence[str]) -> list[str]:
    """Those of the owners from whom no link hid anything: with the chats they would get what it hid."""
    columns = (OwnerRow.id, OwnerRow.kind, OwnerRow.link_id)
    owners = connection.execute(select(*columns).where(OwnerRow.id.in_(held))).all()
    guests = {one.id: one.link_id for one in owners if one.kind == "guest"}
    query = select(*LinkRow.__table__.columns).where(LinkRow.id.in_(guests.values()))
    hiding = {row.id for row in connection.execute(query) if load_link(row).terms.hides}
    return [one.id for one in owners if guests.get(one.id) not in hiding]


def _count(connection: Connection, *whose: ColumnElement[bool]) -> dict[str, int]:
    rows = connection.execute(
        select(ConversationRow.owner_id, func.count().label("chats"))
        .join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
        .where(*whose, ConversationRow.kind == "chat", ConversationRow.deleted_at.is_(None))
        .group_by(ConversationRow.owner_id)
    )
    return {row.owner_id: row.chats for row in rows}
