"""Verbs on tester links. They are for operators: no owner is checked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from webchat.store.database.codec import clean, load_link, new_id, now
from webchat.store.database.tables import LinkRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import NotFound
from webchat.store.records import Link


class LinkVerbs(Database):
    """Tester links. Whether one still opens (revoked, expired) is for the door to judge from the record."""

    @writes
    def create_link(
        self, connection: Connection, name: str, token_hash: str, expires_at: datetime | None
    ) -> Link:
        """A new link. Raises IntegrityError for a token hash that is taken, which chance forbids."""
        link_id = new_id()
        connection.execute(
            insert(LinkRow).values(
                id=link_id,
                name=clean(name),
                token_hash=token_hash,
                created_at=now(),
                expires_at=expires_at,
                uses=0,
            )
        )
        return _link(connection, LinkRow.id == link_id)

    @reads
    def list_links(self, connection: Connection) -> list[Link]:
        """All links, newest first, revoked and expired ones too."""
        rows = connection.execute(
            select(*LinkRow.__table__.columns).order_by(LinkRow.created_at.desc(), LinkRow.id.desc())
        )
        return [load_link(row) for row in rows]

    @writes
    def revoke_link(self, connection: Connection, id_or_name: str) -> Link:
        """Revoke a link at once. A name revokes every link of that name; the newest is returned. Raises
        NotFound."""
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

    @writes
    def touch_link(self, connection: Connection, link_id: str) -> Link:
        """Count one use. Raises NotFound."""
        connection.execute(
            update(LinkRow).where(LinkRow.id == link_id).values(uses=LinkRow.uses + 1, last_used_at=now())
        )
        return _link(connection, LinkRow.id == link_id)


def _link(connection: Connection, condition: ColumnElement[bool]) -> Link:
    row: Any = connection.execute(
        select(*LinkRow.__table__.columns)
        .where(condition)
        .order_by(LinkRow.created_at.desc(), LinkRow.id.desc())
        .limit(1)
    ).first()
    if row is None:
        raise NotFound("link")
    return load_link(row)
