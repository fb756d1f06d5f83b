"""Verbs on tester links. They are for operators: no owner is checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from webchat.store.cursors import read_id
from webchat.store.database.codec import clean, dump_terms, load_link, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, TurnRow
from webchat.store.database.tables.judgements import JudgementRow
from webchat.store.database.tables.links import ConsentRow, LinkRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import (
    ConsentNeeded,
    LinkBusy,
    LinkConversationsUsed,
    LinkEnded,
    LinkFull,
    LinkLimit,
    LinkMessagesUsed,
    LinkTokensReserved,
    LinkTokensUsed,
    NotFound,
    YourConversationsUsed,
    YourMessagesUsed,
    YourTokensReserved,
    YourTokensUsed,
)
from webchat.store.link_records import NO_TERMS, Link, LinkLeft, LinkLimits, LinkTerms, LinkUse, ListedLink
from webchat.store.links.settling import Taken, settled_early
from webchat.store.records import LONGEST_REPLY, Page
from webchat.store.search.names import find_named, put_name
from webchat.store.search.words import query_terms

Counted = TypeVar("Counted", Link, LinkUse)


class LinkVerbs(Database):
    """Tester links. Whether one still opens is for the door to judge from the record."""

    link_changes = 0
    """Rises after each change: whoever keeps links in memory compares it."""

    @writes
    def create_link(
        self,
        connection: Connection,
        name: str,
        token_hash: str,
        expires_at: datetime | None,
        terms: LinkTerms = NO_TERMS,
    ) -> Link:
        """A new link. Raises IntegrityError for a token hash that is taken, which chance forbids."""
        link_id = new_id()
        version = 1 if terms.consent else 0
        connection.execute(
            insert(LinkRow).values(
                id=link_id,
                name=clean(name),
                token_hash=token_hash,
                created_at=now(),
                expires_at=expires_at,
                uses=0,
                terms=dump_terms(replace(terms, consent_version=version)),
            )
        )
        put_name(connection, "link", link_id, [clean(name)])
        return _link(connection, LinkRow.id == link_id)

    @reads
    def list_links(self, connection: Connection) -> list[Link]:
        """All links, newest first, revoked and expired ones too."""
        return [load_link(row) for row in connection.execute(_NEWEST_FIRST)]

    @reads
    def listed_links(
        self, connection: Connection, *, text: str = "", cursor: str | None = None, limit: int = 40
    ) -> Page[ListedLink]:
        """The same in pages, with what happens on each. text: only those with all its words in their name,
        alike (`likeness.fold`). Raises BadCursor."""
        before = None if cursor is None else read_id(cursor)

        def load(ids: Sequence[str]) -> list[tuple[str, Link]]:
            rows = connection.execute(_NEWEST_FIRST.where(LinkRow.id.in_(ids)))
            return [(row.name, load_link(row)) for row in rows]

        if terms := query_terms(text):
            links = find_named(connection, "link", terms, before, limit + 1, load)
        else:
            query = _NEWEST_FIRST if before is None else _NEWEST_FIRST.where(LinkRow.id < before)
            links = [load_link(row) for row in connection.execute(query.limit(limit + 1))]
        items = tuple(_listed(connection, links[:limit]))
        last = items[-1].link if len(links) > limit else None
        return Page(items, None if last is None else last.id)

    @reads
    def link_names(self, connection: Connection, ids: Sequence[str]) -> dict[str, str]:
        """What these links are called, by id; one that does not exist is left out."""
        rows = connection.execute(select(LinkRow.id, LinkRow.name).where(LinkRow.id.in_(ids)))
        return {row.id: row.name for row in rows}

    @reads
    def listed_link(self, connection: Connection, link_id: str) -> ListedLink:
        """Raises NotFound."""
        return _listed(connection, [_link(connection, LinkRow.id == link_id)])[0]

    def change_link(
        self,
        link_id: str,
        *,
        name: str | None = None,
        expires_at: datetime | Literal["same"] | None = "same",
        paused: bool | None = None,
        terms: Callable[[LinkTerms], LinkTerms] | None = None,
    ) -> Link:
        """Change a link; what is left out stays as it is. A new consent sentence gets the next version.
        terms: from the ones it has. Raises NotFound."""
        link = self._change(link_id, name, expires_at, paused, terms)
        self.link_changes += 1
        return link

    @writes
    def _change(
        self,
        connection: Connection,
        link_id: str,
        name: str | None,
        expires_at: datetime | Literal["same"] | None,
        paused: bool | None,
        terms: Callable[[LinkTerms], LinkTerms] | None,
    ) -> Link:
        link = _link(connection, LinkRow.id == link_id, lock=True)
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = clean(name)
            put_name(connection, "link", link_id, [clean(name)])
        if expires_at != "same":
            values["expires_at"] = expires_at
        if paused is not None and paused != (link.paused_at is not None):
            values["paused_at"] = now() if paused else None
        if terms is not None:
            new, old = terms(link.terms), link.terms
            rises = new.consent != old.consent and bool(new.consent)
            values["terms"] = dump_terms(replace(new, consent_version=old.consent_version + rises))
        if values:
            connection.execute(update(LinkRow).where(LinkRow.id == link_id).values(values))
        return _link(connection, LinkRow.id == link_id)

    def revoke_link(self, id_or_name: str) -> Link:
        """Revoke a link at once. A name revokes every link of that name; the newest is returned. Raises
        NotFound."""
        link = self._revoke(id_or_name)
        self.link_changes += 1
        return link

    @writes
    def _revoke(self, connection: Connection, id_or_name: str) -> Link:
        named = or_(LinkRow.id == id_or_name, LinkRow.name == id_or_name)
        connection.execute(
            update(LinkRow).where(named, LinkRow.revoked_at.is_(None)).values(revoked_at=now())
        )
        return _link(connection, named)

    @reads
    def link(self, connection: Connection, link_id: str) -> Link:
        """Raises NotFound."""
        return _link(connection, LinkRow.id == link_id)

    @reads
    def link_by_hash(self, connection: Connection, token_hash: str) -> Link:
        """Raises NotFound."""
        return _link(connection, LinkRow.token_hash == token_hash)

    @reads
    def link_left(self, connection: Connection, link_id: str, owner: str) -> LinkLeft:
        """What is left of a link's limits to one of its people. It changes for both sides of a comparison at
        once. Raises NotFound."""
        link, used = _link(connection, LinkRow.id == link_id), _use(connection, owner)
        for whose, taken in settled_early(connection, link_id):
            link = _without(link, taken)
            used = _without(used, taken) if whose == owner else used
        return left_of(link, used)


def _without(count: Counted, taken: Taken) -> Counted:
    """A count before the reply was settled."""
    return replace(count, tokens=count.tokens - taken.tokens, messages=count.messages + 1 - taken.messages)


def left_of(link: Link, person: LinkUse) -> LinkLeft:
    terms = link.terms
    left: dict[str, int | None] = {}
    limits: dict[str, int | None] = {}
    for name in ("conversations", "messages", "tokens"):
        each, whole = getattr(terms, f"{name}_each"), getattr(terms, name)
        rest = [
            (max(0, limit - used), limit)
            for limit, used in ((whole, getattr(link, name)), (each, getattr(person, name)))
            if limit is not None
        ]
        left[name], limits[name] = min(rest) if rest else (None, None)
    return LinkLeft(**left, limits=LinkLimits(**limits))


def running(connection: Connection, link_id: str, owner: str | None = None) -> tuple[int, int]:
    """How many replies of a link's people, or of one of them, run, and the tokens reserved for them. One that
    began before the link limited tokens counts as the longest."""
    if owner is None:
        row = connection.execute(_RUNNING, {"link": link_id}).one()
    else:
        row = connection.execute(_RUNNING_OF, {"link": link_id, "owner": owner}).one()
    return row.running, row.reserved


def admit_person(connection: Connection, link_id: str) -> None:
    """Count one more person of a link. Raises NotFound, LinkEnded and LinkFull."""
    link = _link(connection, LinkRow.id == link_id, lock=True)
    if end := link.end(now()):
        raise LinkEnded(end)
    if link.terms.people is not None and link.uses >= link.terms.people:
        raise LinkFull(link.terms.people)
    connection.execute(
        update(LinkRow).where(LinkRow.id == link_id).values(uses=LinkRow.uses + 1, last_used_at=now())
    )


def count_turn(
    connection: Connection, owner: str, link_id: str, tokens: int, *, opens: bool, replies: int = 1
) -> int | None:
    """Count a reply, and the conversation it opens. Returns the tokens reserved for it, at most `tokens`;
    `None` if the link has no limit of tokens. replies: how many are begun together with it; there has to be
    room for all of them, and each gets at most an equal part. Raises LinkEnded, LinkLimit, ConsentNeeded."""
    link = _link(connection, LinkRow.id == link_id, lock=True)
    terms = link.terms
    if end := link.end(now()):
        raise LinkEnded(end)
    if terms.consent and not has_consented(connection, owner, terms.consent_version):
        raise ConsentNeeded
    used = _use(connection, owner)
    if opens:
        _check(link.conversations, terms.conversations, LinkConversationsUsed)
        _check(used.conversations, terms.conversations_each, YourConversationsUsed)
    _check(link.messages + replies - 1, terms.messages, LinkMessagesUsed)
    _check(used.messages + replies - 1, terms.messages_each, YourMessagesUsed)
    reserved = _reserved(connection, owner, link, used, tokens, replies)
    moment, opened = now(), int(opens)
    connection.execute(_COUNT, {"link": link_id, "opened": opened, "moment": moment})
    connection.execute(_COUNT_PERSON, {"owner": owner, "opened": opened})
    return reserved


def _check(used: int, limit: int | None, error: type[LinkLimit]) -> None:
    if limit is not None and used >= limit:
        raise error(limit)


def _reserved(
    connection: Connection, owner: str, link: Link, used: LinkUse, tokens: int, replies: int
) -> int | None:
    """The tokens to reserve for one of so many replies. Raises LinkLimit."""
    terms = link.terms
    reserved = None
    if terms.replies_at_once is not None or terms.tokens is not None:
        runs, held = running(connection, link.id)
        _check(runs + replies - 1, terms.replies_at_once, LinkBusy)
        if terms.tokens is not None:
            reserved = min(tokens, (terms.tokens - link.tokens - held) // replies)
            if reserved < 1:
                raise LinkTokensReserved(terms.tokens) if held else LinkTokensUsed(terms.tokens)
    if terms.tokens_each is not None:
        _, held = running(connection, link.id, owner)
        rest = (terms.tokens_each - used.tokens - held) // replies
        reserved = min(tokens if reserved is None else reserved, rest)
        if reserved < 1:
            raise YourTokensReserved(terms.tokens_each) if held else YourTokensUsed(terms.tokens_each)
    return reserved


def _use(connection: Connection, owner: str) -> LinkUse:
    """Read after the link is locked, it is what all that were counted before have left."""
    return LinkUse(*connection.execute(_USE, {"owner": owner}).one())


# Ids rise with time, so pages are read along the key.
_NEWEST_FIRST = select(*LinkRow.__table__.columns).order_by(LinkRow.id.desc())
_RESERVED = func.coalesce(func.sum(func.coalesce(TurnRow.reserved, LONGEST_REPLY)), 0)
_RUNNING = select(func.count().label("running"), _RESERVED.label("reserved")).where(
    TurnRow.link_id == bindparam("link"), TurnRow.finished_at.is_(None)
)
_RUNNING_OF = _RUNNING.join(ConversationRow, ConversationRow.id == TurnRow.conversation_id).where(
    ConversationRow.owner_id == bindparam("owner")
)
_USE = select(OwnerRow.conversations, OwnerRow.messages, OwnerRow.tokens).where(
    OwnerRow.id == bindparam("owner")
)
_COUNT_PERSON = (
    update(OwnerRow)
    .where(OwnerRow.id == bindparam("owner"))
    .values(messages=OwnerRow.messages + 1, conversations=OwnerRow.conversations + bindparam("opened"))
)
_COUNT = (
    update(LinkRow)
    .where(LinkRow.id == bindparam("link"))
    .values(
        messages=LinkRow.messages + 1,
        conversations=LinkRow.conversations + bindparam("opened"),
        last_used_at=bindparam("moment"),
    )
)


def has_consented(connection: Connection, owner: str, version: int) -> bool:
    found = select(ConsentRow.version).where(ConsentRow.owner_id == owner, ConsentRow.version == version)
    return connection.scalar(found) is not None


def _listed(connection: Connection, links: Sequence[Link]) -> list[ListedLink]:
    ids = [link.id for link in links]
    runs = connection.execute(
        select(TurnRow.link_id, func.count(), _RESERVED)
        .where(TurnRow.link_id.in_(ids), TurnRow.finished_at.is_(None))
        .group_by(TurnRow.link_id)
    )
    limited = {link.id for link in links if link.terms.tokens is not None}
    replies = {id: (count, int(reserved) if id in limited else 0) for id, count, reserved in runs}
    rated = connection.execute(
        select(JudgementRow.link_id, func.count())
        .where(JudgementRow.link_id.in_(ids), JudgementRow.rating != 0)
        .group_by(JudgementRow.link_id)
    )
    ratings: dict[str | None, int] = {link_id: count for link_id, count in rated}  # noqa: C416  typed
    return [ListedLink(link, ratings.get(link.id, 0), *replies.get(link.id, (0, 0))) for link in links]


def _link(connection: Connection, condition: ColumnElement[bool], *, lock: bool = False) -> Link:
    query = _NEWEST_FIRST.where(condition).limit(1)
    row: Any = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound("link")
    return load_link(row)
