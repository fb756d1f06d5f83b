"""Verbs on owners."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, case, exists, insert, select, update

from webchat.store.database.codec import clean, load_link, load_owner, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, TurnRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.tables.people import OwnerRow, PersonRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import NotFound
from webchat.store.links.links import admit_person
from webchat.store.records import Owner, OwnerKind


class OwnerVerbs(Database):
    """The owners of conversations."""

    @writes
    def local_owner(self, connection: Connection) -> Owner:
        """The one person of a loopback start; created on first use."""
        self.dialect.insert_once(
            connection, OwnerRow, {"id": new_id(), "kind": "local", "name": "", "created_at": now()}
        )
        return load_owner(
            connection.execute(select(*OwnerRow.__table__.columns).where(OwnerRow.kind == "local")).one()
        )

    @writes
    def create_owner(
        self, connection: Connection, kind: OwnerKind, name: str, link_id: str | None = None
    ) -> Owner:
        """A new person, admitted as long as their link is valid. Raises NotFound for an unknown link,
        LinkEnded, and LinkFull if it has admitted as many people as it may."""
        if link_id is not None:
            admit_person(connection, link_id)
        owner = Owner(new_id(), kind, clean(name), link_id, now())
        connection.execute(
            insert(OwnerRow).values(
                id=owner.id, kind=kind, name=owner.name, link_id=link_id, created_at=owner.created_at
            )
        )
        return _with_link(connection, owner)

    @writes
    def keep_owner(self, connection: Connection, owner: Owner) -> Owner:
        """Store an owner made elsewhere, as a visitor without a link. Returns who is stored under this id:
        the first keeps the place."""
        self.dialect.insert_once(
            connection,
            OwnerRow,
            {"id": owner.id, "kind": "visitor", "name": clean(owner.name), "created_at": owner.created_at},
        )
        return load_owner(
            connection.execute(select(*OwnerRow.__table__.columns).where(OwnerRow.id == owner.id)).one()
        )

    @reads
    def guests_with_replies(self, connection: Connection) -> list[Owner]:
        """Those who came by a link and have a reply running, by an index of the running ones alone."""
        rows = connection.execute(
            select(*OwnerRow.__table__.columns)
            .join(ConversationRow, ConversationRow.owner_id == OwnerRow.id)
            .join(TurnRow, TurnRow.conversation_id == ConversationRow.id)
            .where(TurnRow.finished_at.is_(None), OwnerRow.link_id.is_not(None))
            .distinct()
        )
        return [load_owner(row) for row in rows]

    @reads
    def operators(self, connection: Connection) -> list[Owner]:
        """Whoever came by the operator's link, and people who operate, the newest last."""
        rows = connection.execute(
            select(*OwnerRow.__table__.columns)
            .where(OwnerRow.kind == "operator")
            .order_by(OwnerRow.created_at, OwnerRow.id)
        )
        return [load_owner(row) for row in rows]

    @writes
    def revoke_operators(self, connection: Connection, owner_id: str | None = None) -> int:
        """Turn all operators, or one, into visitors, and people into members. They keep what is theirs.
        Returns how many.

        Their links no longer create operators. Other operators of these links are not affected.
        """
        those = OwnerRow.kind == "operator"
        if owner_id is not None:
            those &= OwnerRow.id == owner_id
        links = list(connection.scalars(select(OwnerRow.link_id).where(those, OwnerRow.link_id.is_not(None))))
        ended = update(LinkRow).where(LinkRow.id.in_(links), LinkRow.revoked_at.is_(None))
        connection.execute(ended.values(revoked_at=now()))
        kind = case((exists().where(PersonRow.owner_id == OwnerRow.id), "member"), else_="visitor")
        revoked = connection.execute(update(OwnerRow).where(those).values(kind=kind)).rowcount
        connection.execute(update(OwnerRow).where(OwnerRow.link_id.in_(links)).values(link_id=None))
        return revoked

    @reads
    def owner(self, connection: Connection, owner_id: str) -> Owner:
        """With their link. Raises NotFound."""
        return read_owner(connection, owner_id)


def read_owner(connection: Connection, owner_id: str) -> Owner:
    """An owner with their link. Raises NotFound."""
    row = connection.execute(select(*OwnerRow.__table__.columns).where(OwnerRow.id == owner_id)).first()
    if row is None:
        raise NotFound("owner")
    return _with_link(connection, load_owner(row))


def _with_link(connection: Connection, owner: Owner) -> Owner:
    if owner.link_id is None:
        return owner
    row = connection.execute(select(*LinkRow.__table__.columns).where(LinkRow.id == owner.link_id)).one()
    link = load_link(row)
    return replace(owner, link=link, name=link.title if owner.kind == "guest" else owner.name)
