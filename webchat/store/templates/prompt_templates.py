"""Verbs on prompt templates and their versions.

Everyone sees their own and the shared ones. A personal one is changed only by its owner, a shared one only by
operators: the verbs that change one check `operates`, which the caller takes from the owner's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.operating import PromptTemplateRow, PromptTemplateVersionRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import Database, heavy, reads, writes
from webchat.store.database.until import Until
from webchat.store.errors import NotFound, TemplateChanged
from webchat.store.template_records import (
    ListedTemplate,
    ListedVersion,
    PromptTemplate,
    TemplateScope,
    TemplateVersion,
)

_CONTENT = PromptTemplateVersionRow.content
_OF_NEWEST = and_(
    PromptTemplateVersionRow.template_id == PromptTemplateRow.id,
    PromptTemplateVersionRow.number == PromptTemplateRow.version,
)
_NEWEST = select(*PromptTemplateRow.__table__.columns, _CONTENT).join(PromptTemplateVersionRow, _OF_NEWEST)


def _words_in(text: str) -> ColumnElement[bool]:
    return func.trim(func.coalesce(_CONTENT[text].as_string(), ""), " \t\r\n") != ""


_LISTED = (
    select(
        PromptTemplateRow.id,
        PromptTemplateRow.owner_id,
        PromptTemplateRow.scope,
        PromptTemplateRow.version,
        PromptTemplateRow.created_at,
        PromptTemplateRow.updated_at,
        PromptTemplateRow.name,
        func.coalesce(_CONTENT["description"].as_string(), "").label("description"),
        _words_in("system").label("has_system"),
        _words_in("user").label("has_user"),
    )
    .join(PromptTemplateVersionRow, _OF_NEWEST)
    .order_by(PromptTemplateRow.name, PromptTemplateRow.id)
)
_VERSIONS = select(
    PromptTemplateVersionRow.template_id,
    PromptTemplateVersionRow.number,
    PromptTemplateVersionRow.created_at,
    OwnerRow.name.label("author"),
    PromptTemplateVersionRow.note,
).join(OwnerRow, OwnerRow.id == PromptTemplateVersionRow.author_id)


class TemplateVerbs(Database):
    """The operations of the template library."""

    @heavy
    def list_templates(self, connection: Connection, until: Until, owner: str) -> list[ListedTemplate]:
        """The owner's and the shared ones, by name. The database alone reads their contents."""
        rows = connection.execute(_LISTED.where(_visible(owner), PromptTemplateRow.deleted_at.is_(None)))
        return [ListedTemplate(**row._mapping) for row in rows]

    @reads
    def template(self, connection: Connection, owner: str, template_id: str) -> PromptTemplate:
        """Raises NotFound."""
        return _template(connection, template_id, _visible(owner))

    @writes
    def create_template(
        self,
        connection: Connection,
        owner: str,
        content: Mapping[str, Any],
        *,
        scope: TemplateScope = "personal",
        note: str = "",
    ) -> PromptTemplate:
        """A new template with its first version. Whether this owner may share is for the caller to judge.
        Raises NotFound for an unknown owner."""
        if not connection.scalar(select(OwnerRow.id).where(OwnerRow.id == owner)):
            raise NotFound("owner")
        template_id, moment = new_id(), now()
        connection.execute(
            insert(PromptTemplateRow).values(
                id=template_id,
                owner_id=owner,
                scope=scope,
                name=clean(str(content["name"])),
                version=1,
                created_at=moment,
                updated_at=moment,
            )
        )
        _add_version(connection, template_id, 1, owner, moment, note, content)
        return _template(connection, template_id, _visible(owner))

    @writes
    def change_template(
        self,
        connection: Connection,
        owner: str,
        template_id: str,
        content: Mapping[str, Any],
        *,
        based_on: int,
        scope: TemplateScope | None = None,
        note: str = "",
        operates: bool = False,
    ) -> PromptTemplate:
        """Save a version after number `based_on`; none when nothing is different. Going back is a change to
        an older content. A template that is shared no more is the owner's who took it back.

        Raises NotFound, also for what this owner may see and not change, and TemplateChanged when `based_on`
        is not the newest.
        """
        may = _changeable(owner, operates)
        before = _template(connection, template_id, may, lock=True)
        if before.version != based_on:
            raise TemplateChanged(before.version)
        scope = scope or before.scope
        changed = dict(before.content) != dict(content)
        if not changed and scope == before.scope:
            return before
        moment, number = now(), before.version + changed
        if changed:
            _add_version(connection, template_id, number, owner, moment, note, content)
        taken = owner if scope == "personal" else before.owner_id
        connection.execute(
            update(PromptTemplateRow)
            .where(PromptTemplateRow.id == template_id)
            .values(
                name=clean(str(content["name"])),
                scope=scope,
                version=number,
                updated_at=moment,
                owner_id=taken,
            )
        )
        return _template(connection, template_id, _visible(owner))

    @reads
    def template_versions(self, connection: Connection, owner: str, template_id: str) -> list[ListedVersion]:
        """All versions, newest first. Raises NotFound."""
        _template(connection, template_id, _visible(owner))
        rows = connection.execute(
            _VERSIONS.where(PromptTemplateVersionRow.template_id == template_id).order_by(
                PromptTemplateVersionRow.number.desc()
            )
        )
        return [ListedVersion(**row._mapping) for row in rows]

    @reads
    def template_version(
        self, connection: Connection, owner: str, template_id: str, number: int | None = None
    ) -> TemplateVersion:
        """One version, the newest if `None`; also of a template that is deleted, until it is purged: replies
        name the versions they were made with. Raises NotFound."""
        query = (
            _VERSIONS.add_columns(_CONTENT)
            .join(PromptTemplateRow, PromptTemplateRow.id == PromptTemplateVersionRow.template_id)
            .where(
                PromptTemplateVersionRow.template_id == template_id,
                PromptTemplateVersionRow.number == (PromptTemplateRow.version if number is None else number),
                _visible(owner),
            )
        )
        row = connection.execute(query).first()
        if row is None:
            raise NotFound("template")
        return TemplateVersion(**row._mapping)

    @writes
    def delete_template(
        self, connection: Connection, owner: str, template_id: str, *, operates: bool = False
    ) -> None:
        """Move it to the trash, until `restore_template` or `purge`. Raises NotFound."""
        may = _changeable(owner, operates)
        _template(connection, template_id, may, lock=True)
        connection.execute(
            update(PromptTemplateRow).where(PromptTemplateRow.id == template_id).values(deleted_at=now())
        )

    @writes
    def restore_template(
        self, connection: Connection, owner: str, template_id: str, *, operates: bool = False
    ) -> PromptTemplate:
        """Restore a deleted template. Raises NotFound, also for one that was not deleted."""
        may = _changeable(owner, operates)
        _template(connection, template_id, may, deleted=True, lock=True)
        connection.execute(
            update(PromptTemplateRow).where(PromptTemplateRow.id == template_id).values(deleted_at=None)
        )
        return _template(connection, template_id, may)


def _visible(owner: str) -> ColumnElement[bool]:
    return or_(PromptTemplateRow.owner_id == owner, PromptTemplateRow.scope == "shared")


def _changeable(owner: str, operates: bool) -> ColumnElement[bool]:
    own = and_(PromptTemplateRow.owner_id == owner, PromptTemplateRow.scope == "personal")
    return or_(own, PromptTemplateRow.scope == "shared") if operates else own


def _template(
    connection: Connection,
    template_id: str,
    may: ColumnElement[bool],
    *,
    deleted: bool = False,
    lock: bool = False,
) -> PromptTemplate:
    if lock:  # before the content is read, so that it is that of the newest version
        connection.execute(
            select(PromptTemplateRow.id).where(PromptTemplateRow.id == template_id).with_for_update()
        )
    aside = PromptTemplateRow.deleted_at.is_not(None) if deleted else PromptTemplateRow.deleted_at.is_(None)
    row = connection.execute(_NEWEST.where(PromptTemplateRow.id == template_id, may, aside)).first()
    if row is None:
        raise NotFound("template")
    return _load(row)


def _add_version(
    connection: Connection,
    template_id: str,
    number: int,
    author: str,
    moment: datetime,
    note: str,
    content: Mapping[str, object],
) -> None:
    connection.execute(
        insert(PromptTemplateVersionRow).values(
            template_id=template_id,
            number=number,
            author_id=author,
            created_at=moment,
            note=clean(note),
            content=dict(content),
        )
    )


def _load(row: Row[*tuple[Any, ...]]) -> PromptTemplate:
    return PromptTemplate(
        id=row.id,
        owner_id=row.owner_id,
        scope=row.scope,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        content=row.content,
    )
