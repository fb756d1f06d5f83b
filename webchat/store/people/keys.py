"""Verbs on API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from hmac import compare_digest
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from webchat.store.cursors import read_id
from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.tables.people import ApiKeyRow, OwnerRow, PersonRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import KeyEnded, KeyTokensUsed, NotFound, PersonDisabled, TooManyKeys
from webchat.store.key_records import ApiKey, KeyTerms, ListedKey
from webchat.store.links.owners import read_owner
from webchat.store.people.sessions import TRIM_ROWS
from webchat.store.records import Owner, Page

MOST_KEYS = 50
"""Of one person, without those that have ended."""

KEPT = timedelta(days=30)
"""For how long a key that has ended is still listed, and refused by saying so."""

_HOLDERS = ("local", "member", "operator")


class KeyVerbs(Database):
    """API keys. Those of people who may not enter any more open nothing."""

    @writes
    def create_key(
        self,
        connection: Connection,
        owner: str,
        name: str,
        prefix: str,
        token_hash: str,
        expires_at: datetime | None,
        terms: KeyTerms,
    ) -> ApiKey:
        """A new key. Raises NotFound for somebody who can have none, and TooManyKeys."""
        # Locked, so that of two requests at once both are counted.
        holder = select(OwnerRow.kind).where(OwnerRow.id == owner).with_for_update()
        if connection.scalar(holder) not in _HOLDERS:
            raise NotFound("owner")
        living = select(func.count()).where(ApiKeyRow.owner_id == owner, not_(_is_over(now())))
        if (connection.scalar(living) or 0) >= MOST_KEYS:
            raise TooManyKeys(MOST_KEYS)
        key = ApiKey(new_id(), owner, clean(name), prefix, now(), expires_at, None, None, terms)
        connection.execute(
            insert(ApiKeyRow).values(
                id=key.id,
                owner_id=owner,
                name=key.name,
                prefix=prefix,
                token_hash=token_hash,
                scopes=sorted(terms.scopes),
                models=list(terms.models),
                stored=terms.stored,
                requests_per_minute=terms.requests_per_minute,
                tokens_per_day=terms.tokens_per_day,
                at_once=terms.at_once,
                created_at=key.created_at,
                expires_at=expires_at,
            )
        )
        return key

    @reads
    def own_keys(self, connection: Connection, owner: str) -> list[ApiKey]:
        """A person's keys that have not been revoked, the newest first."""
        own = _KEYS.where(ApiKeyRow.owner_id == owner, ApiKeyRow.revoked_at.is_(None))
        return [_load(row) for row in connection.execute(own.order_by(ApiKeyRow.id.desc()))]

    @reads
    def listed_keys(
        self,
        connection: Connection,
        *,
        owner: str | None = None,
        text: str = "",
        cursor: str | None = None,
        limit: int = 200,
    ) -> Page[ListedKey]:
        """For operators: everybody's keys or those of one, revoked ones too, the newest first. text: only the
        key with this id or beginning, and those with it in their name or their owner's. Raises BadCursor."""
        query = _LISTED
        if owner is not None:
            query = query.where(ApiKeyRow.owner_id == owner)
        if text:
            # A whole key too: whoever has it at hand need not look up its beginning.
            one = (ApiKeyRow.id == text) | (ApiKeyRow.prefix == "_".join(text.split("_")[:2]))
            names = (ApiKeyRow.name, OwnerRow.name)
            query = query.where(or_(one, *(name.icontains(text, autoescape=True) for name in names)))
        if cursor is not None:
            query = query.where(ApiKeyRow.id < read_id(cursor))
        rows = connection.execute(query.order_by(ApiKeyRow.id.desc()).limit(limit + 1)).all()
        items = tuple(_listed(row) for row in rows[:limit])
        return Page(items, items[-1].key.id if len(rows) > limit else None)

    @reads
    def listed_key(self, connection: Connection, key_id: str) -> ListedKey:
        """One of them. Raises NotFound."""
        row = connection.execute(_LISTED.where(ApiKeyRow.id == key_id)).first()
        if row is None:
            raise NotFound("key")
        return _listed(row)

    @reads
    def key_holder(self, connection: Connection, prefix: str, token_hash: str) -> tuple[ApiKey, Owner]:
        """The key with this secret, and whose it is. Raises NotFound for unknown ones and those whose person
        may not enter any more, KeyEnded, and PersonDisabled."""
        row = connection.execute(_BY_PREFIX, {"prefix": prefix}).first()
        known = "" if row is None else row.token_hash
        if not compare_digest(known.encode(), token_hash.encode()) or row is None:
            raise NotFound("key")
        key = _load(row)
        if end := key.end(now()):
            raise KeyEnded(end)
        if row.disabled_at is not None:
            raise PersonDisabled
        if not _admits(row):
            raise NotFound("key")
        return key, read_owner(connection, key.owner_id)

    @reads
    def living_keys(self, connection: Connection, ids: Sequence[str]) -> list[str]:
        """Those of the keys that still open something."""
        rows = connection.execute(_WITH_HOLDERS.where(ApiKeyRow.id.in_(ids))).all()
        return [row.id for row in rows if not _load(row).end(now()) and not row.disabled_at and _admits(row)]

    @writes
    def touch_key(self, connection: Connection, key_id: str) -> None:
        """Note that a key is used now."""
        connection.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=now()))

    @writes
    def revoke_key(self, connection: Connection, owner: str | None, key_id: str) -> ApiKey:
        """Revoke a key at once, for good. owner: whose it has to be; `None` for operators, who may revoke
        everybody's. Raises NotFound, also for one that is revoked already."""
        one = (ApiKeyRow.id == key_id) & ApiKeyRow.revoked_at.is_(None)
        if owner is not None:
            one &= ApiKeyRow.owner_id == owner
        if not connection.execute(update(ApiKeyRow).where(one).values(revoked_at=now())).rowcount:
            raise NotFound("key")
        return _load(connection.execute(_KEYS.where(ApiKeyRow.id == key_id)).one())

    @writes
    def trim_keys(self, connection: Connection) -> int:
        """Delete keys that ended long ago, at most `TRIM_ROWS`. Returns how many."""
        those = select(ApiKeyRow.id).where(_is_over(now() - KEPT)).limit(TRIM_ROWS).scalar_subquery()
        return connection.execute(delete(ApiKeyRow).where(ApiKeyRow.id.in_(those))).rowcount


def check_tokens(connection: Connection, key_id: str) -> None:
    """Whether a key has tokens left today. Raises KeyTokensUsed, with the seconds until the next day."""
    row = connection.execute(_TOKENS, {"key": key_id}).first()
    moment = now()
    if row is None or row.tokens_per_day is None or row.day != _day(moment):
        return
    if row.tokens >= row.tokens_per_day:
        midnight = datetime.combine(moment.date() + timedelta(days=1), time(), UTC)
        raise KeyTokensUsed(row.tokens_per_day, (midnight - moment).total_seconds())


def count_tokens(connection: Connection, key_id: str, tokens: int) -> None:
    """Count what a reply took."""
    connection.execute(_COUNT, {"key": key_id, "used": tokens, "today": _day(now())})


def forget_keys(connection: Connection, owner: str) -> None:
    """Delete all keys of somebody."""
    connection.execute(delete(ApiKeyRow).where(ApiKeyRow.owner_id == owner))


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _is_over(moment: datetime) -> ColumnElement[bool]:
    ends = (ApiKeyRow.revoked_at, ApiKeyRow.expires_at)
    return or_(*(and_(end.is_not(None), end <= moment) for end in ends))


def _admits(row: Row[Any]) -> bool:
    """Whether the holder of a key, who is not disabled, may still enter. Operators who don't sign in came by
    a link, which admits them as long as it is valid."""
    if row.kind not in _HOLDERS:
        return False
    moment = now()
    expired = row.link_expires_at is not None and row.link_expires_at <= moment
    return row.link_revoked_at is None and row.link_paused_at is None and not expired


_COLUMNS = [column for column in ApiKeyRow.__table__.columns if column.name != "token_hash"]
_KEYS: Select[Any] = select(*_COLUMNS)
_LISTED = _KEYS.add_columns(OwnerRow.name.label("owner_name")).join(
    OwnerRow, OwnerRow.id == ApiKeyRow.owner_id
)
_WITH_HOLDERS: Select[Any] = (
    select(
        *_COLUMNS,
        OwnerRow.kind,
        PersonRow.disabled_at,
        LinkRow.revoked_at.label("link_revoked_at"),
        LinkRow.expires_at.label("link_expires_at"),
        LinkRow.paused_at.label("link_paused_at"),
    )
    .join(OwnerRow, OwnerRow.id == ApiKeyRow.owner_id)
    .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
    .outerjoin(LinkRow, LinkRow.id == OwnerRow.link_id)
)
_BY_PREFIX = _WITH_HOLDERS.add_columns(ApiKeyRow.token_hash).where(ApiKeyRow.prefix == bindparam("prefix"))
_TOKENS = select(ApiKeyRow.tokens_per_day, ApiKeyRow.day, ApiKeyRow.tokens).where(
    ApiKeyRow.id == bindparam("key")
)
_COUNT = (
    update(ApiKeyRow)
    .where(ApiKeyRow.id == bindparam("key"))
    .values(
        tokens=case((ApiKeyRow.day == bindparam("today"), ApiKeyRow.tokens), else_=literal(0))
        + bindparam("used"),
        day=bindparam("today"),
    )
)


def _listed(row: Row[Any]) -> ListedKey:
    return ListedKey(_load(row), row.owner_name)


def _load(row: Row[Any]) -> ApiKey:
    terms = KeyTerms(
        frozenset(row.scopes),
        tuple(row.models),
        row.stored,
        row.requests_per_minute,
        row.tokens_per_day,
        row.at_once,
    )
    return ApiKey(
        row.id,
        row.owner_id,
        row.name,
        row.prefix,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
        terms,
        row.day,
        row.tokens,
    )
