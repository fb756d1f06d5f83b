"""Which database a URL names."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from webchat.database_url import escaped
from webchat.store.database.postgres import Postgres
from webchat.store.database.sqlite import Sqlite
from webchat.store.errors import StoreUnavailable


def dialect_for(url: str) -> Sqlite | Postgres:
    """The kind of database a URL names: `sqlite:///path`, `postgresql://...`, also spelled `postgres://`.

    Raises StoreUnavailable for anything else.
    """
    try:
        parsed = make_url(escaped(url))
    except (ArgumentError, ValueError):
        parsed = None
    match parsed.drivername.partition("+")[0] if parsed else "":
        case "sqlite":
            assert parsed is not None
            return Sqlite(parsed)
        case "postgres" | "postgresql":
            assert parsed is not None
            return Postgres(parsed)
        case _:
            # The URL may hold a password: it is not repeated.
            raise StoreUnavailable(
                "This is not the URL of a supported database.",
                cure="Use sqlite:///path/to/file.db or postgresql://user:password@host/name.",
            )
