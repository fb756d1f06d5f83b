"""Verbs that say how the database does. They are for the server itself and for operators: no owner is
checked."""

from __future__ import annotations

from sqlalchemy import insert

from webchat.store.database.codec import new_id, now
from webchat.store.database.migrate import pending
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import Database
from webchat.store.errors import StoreUnavailable

_ADD = insert(OwnerRow)


class HealthVerbs(Database):
    """What is asked of the database to learn how it does."""

    def probe(self) -> None:
        """Write a row and roll it back. Raises `StoreUnavailable` if that fails or the tables are not this
        version's, `NewerDatabase` for those of a newer one."""
        with self._outage.watching(write=True), self.dialect.translating():
            if pending(self._engines[False]):
                raise StoreUnavailable(
                    "The database has the tables of an older version.", cure="Restart webchat to update them."
                )
            with self._engines[True].connect() as connection, connection.begin() as transaction:
                row = {"id": new_id(), "kind": "probe", "name": "", "created_at": now()}
                connection.execute(_ADD, row)
                transaction.rollback()
