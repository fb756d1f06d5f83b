"""Verbs on the servers that models run on: each gets an id once, which says nothing of its address."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sqlalchemy import Connection, select

from webchat.store.database.codec import now
from webchat.store.database.tables.operating import ModelServerRow
from webchat.store.database.transactions import Database, writes
from webchat.store.records import ModelServer

_ALL = select(ModelServerRow.id, ModelServerRow.identity)


class ModelServerVerbs(Database):
    """What conversations keep of where their model runs."""

    @writes
    def model_servers(self, connection: Connection, identities: Iterable[str]) -> list[ModelServer]:
        """All servers ever configured; those of now that are new get an id."""
        known = {row.identity for row in connection.execute(_ALL)}
        for identity in sorted(set(identities) - known):
            # Another webchat server may be starting with the same models.
            values = {"id": secrets.token_hex(5), "identity": identity, "created_at": now()}
            self.dialect.insert_once(connection, ModelServerRow, values)
        return [ModelServer(**row._mapping) for row in connection.execute(_ALL)]
