"""Verbs on the imports of files: how far each is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.tables.sharing import ImportRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import NotFound, TooManyImports
from webchat.store.import_records import ImportJob, ImportState

MOST_LISTED = 20

MOST_UNFINISHED = 5
"""Files per person that are on the server."""

_UNFINISHED = ("uploading", "checking", "checked", "importing")
"""The states in which there is a file."""


class ImportJobVerbs(Database):
    """Keeping the state of imports, so that they go on after a restart."""

    @writes
    def begin_file_import(self, connection: Connection, owner: str, name: str, size: int) -> ImportJob:
        """An import whose file is still to come. size: in bytes. Raises NotFound for an unknown owner, and
        TooManyImports."""
        if connection.scalar(select(OwnerRow.id).where(OwnerRow.id == owner).with_for_update()) is None:
            raise NotFound("owner")
        unfinished = (ImportRow.owner_id == owner, ImportRow.state.in_(_UNFINISHED))
        count = connection.scalar(select(func.count()).select_from(ImportRow).where(*unfinished))
        if (count or 0) >= MOST_UNFINISHED:
            raise TooManyImports
        moment = now()
        values: dict[str, Any] = {
            "id": new_id(),
            "owner_id": owner,
            "name": clean(name),
            "size": size,
            "received": 0,
            "state": "uploading",
            "on_bad": "skip",
            "done": 0,
            "entries": None,
            "counts": {},
            "problems": [],
            "created_at": moment,
            "changed_at": moment,
        }
        connection.execute(insert(ImportRow), values)
        return _own(connection, owner, values["id"])

    @reads
    def file_import(self, connection: Connection, owner: str, import_id: str) -> ImportJob:
        """Raises NotFound."""
        return _own(connection, owner, import_id)

    @reads
    def list_file_imports(self, connection: Connection, owner: str) -> list[ImportJob]:
        """The latest imports of this owner, newest first."""
        query = _query().where(ImportRow.owner_id == owner)
        rows = connection.execute(query.order_by(ImportRow.created_at.desc(), ImportRow.id.desc()))
        return [_job(row) for row in rows.fetchmany(MOST_LISTED)]

    @writes
    def change_file_import(
        self,
        connection: Connection,
        owner: str,
        import_id: str,
        values: Mapping[str, Any],
        among: tuple[ImportState, ...] = (),
    ) -> ImportJob:
        """Change fields of an import. among: the states in which it may be changed; any by default. Raises
        NotFound, also for one in another state."""
        mine = [ImportRow.id == import_id, ImportRow.owner_id == owner]
        if among:
            mine.append(ImportRow.state.in_(among))
        changed = connection.execute(update(ImportRow).where(*mine).values(changed_at=now(), **values))
        if not changed.rowcount:
            raise NotFound("import")
        return _own(connection, owner, import_id)

    @writes
    def forget_file_import(self, connection: Connection, owner: str, import_id: str) -> None:
        """Forget the import of a file; what it brought stays. Raises NotFound."""
        mine = (ImportRow.id == import_id, ImportRow.owner_id == owner)
        if not connection.execute(delete(ImportRow).where(*mine)).rowcount:
            raise NotFound("import")

    @reads
    def unfinished_file_imports(self, connection: Connection) -> list[ImportJob]:
        """All that the server was working on when it ended, oldest first."""
        query = _query().where(ImportRow.state.in_(("checking", "importing")))
        return [_job(row) for row in connection.execute(query.order_by(ImportRow.created_at, ImportRow.id))]

    @reads
    def import_files(self, connection: Connection) -> frozenset[str]:
        """The ids of all imports whose file is needed."""
        return frozenset(connection.scalars(select(ImportRow.id).where(ImportRow.state.in_(_UNFINISHED))))

    @writes
    def trim_file_imports(self, connection: Connection, before: datetime) -> list[str]:
        """Forget imports that nobody touched since this moment and nothing works on; returns their ids."""
        idle = (ImportRow.changed_at < before, ImportRow.state.not_in(("checking", "importing")))
        return list(connection.scalars(delete(ImportRow).where(*idle).returning(ImportRow.id)))


def _query() -> Any:
    return select(*ImportRow.__table__.columns)


def _own(connection: Connection, owner: str, import_id: str) -> ImportJob:
    row = connection.execute(_query().where(ImportRow.id == import_id, ImportRow.owner_id == owner)).first()
    if row is None:
        raise NotFound("import")
    return _job(row)


def _job(row: Row[Any]) -> ImportJob:
    return ImportJob(**{**row._mapping, "problems": tuple(row.problems)})
