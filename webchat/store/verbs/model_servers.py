"""Verbs on the servers that models run on: each gets an id once, which says nothing of its address."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select

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
        known = [ModelServer(**row._mapping) for row in connection.execute(_ALL)]
        new = sorted(set(identities) - {server.identity for server in known})
        for identity in new:
            server = ModelServer(secrets.token_hex(5), identity)
            values = {"id": server.id, "identity": server.identity, "created_at": now()}
            connection.execute(insert(ModelServerRow).values(values))
            known.append(server)
        return known
