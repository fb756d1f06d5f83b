"""What makes the databases of one test process cheap.

New SQLite databases are copied from a migrated one: the migrations take 0.15 s each time. Nothing waits for
the disk, which only a machine that loses its power would notice; servers that tests start as processes do
wait. Statements are compiled once, not once for each database. Of these, servers that tests fork have the
first: `copy_migrated`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, event

import webchat.store.database.postgres
import webchat.store.database.sqlite
import webchat.store.store
from webchat.store import Store
from webchat.store.database.migrate import pending
from webchat.store.database.sqlite import Sqlite


@contextmanager
def cheap_databases(folder: Path) -> Iterator[None]:
    """All of this, until the block ends. folder: for the migrated database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sqlite, "set_pragmas", _without_waiting(Sqlite.set_pragmas))
        compiled_once = _compiling_once()
        for kind in (webchat.store.database.sqlite, webchat.store.database.postgres):
            patch.setattr(kind, "create_engine", compiled_once)
        copy_migrated(folder, patch)
        yield


def copy_migrated(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on new SQLite databases begin as the file of one that is migrated in `folder` now."""
    first = folder / "first.db"
    Store.open(f"sqlite:///{first}").close()
    patch.setattr(webchat.store.store, "pending", _copying(first.read_bytes(), pending))


SetPragmas = Callable[[Sqlite, sqlite3.Connection, bool], None]


def _without_waiting(set_pragmas: SetPragmas) -> SetPragmas:
    @wraps(set_pragmas)
    def set_them(dialect: Sqlite, connection: sqlite3.Connection, write: bool) -> None:
        connection.execute("PRAGMA synchronous=OFF")  # a new file is written before the others are set
        set_pragmas(dialect, connection, write)
        connection.execute("PRAGMA synchronous=OFF")

    return set_them


def _compiling_once() -> Callable[..., Engine]:
    """`create_engine` whose engines of one kind share the statements they have compiled: SQLAlchemy keeps
    them by engine and dialect, of which every database that is opened makes two."""
    firsts: dict[tuple[str, str | None], Engine] = {}

    def create(url: URL, **options: Any) -> Engine:
        engine = create_engine(url, query_cache_size=5000, **options)
        kind = (engine.dialect.name, options.get("isolation_level"))
        if (first := firsts.get(kind)) is not None:
            engine.dialect = first.dialect
            engine._compiled_cache = first._compiled_cache
        else:
            # Only a dialect that has seen a connection knows its server.
            event.listen(engine, "first_connect", lambda *_: firsts.setdefault(kind, engine))
        return engine

    return create


def _copying(first: bytes, otherwise: Callable[[Engine], bool]) -> Callable[[Engine], bool]:
    def copy(engine: Engine) -> bool:
        if engine.dialect.name == "sqlite" and os.stat(path := engine.url.database or "").st_size == 0:
            Path(path).write_bytes(first)
        return otherwise(engine)

    return copy
