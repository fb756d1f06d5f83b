"""The tables of a new SQLite database, copied from a migrated one: the migrations take 0.15 s each time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

import webchat.store.store
from webchat.store import Store
from webchat.store.database.migrate import migrate
from webchat.store.database.postgres import Postgres
from webchat.store.database.sqlite import Sqlite


@contextmanager
def migrating_once(folder: Path) -> Iterator[None]:
    """Fill empty SQLite databases instead of migrating them, until the block ends. folder: for the first."""
    Store.open(f"sqlite:///{folder / 'first.db'}").close()
    with (
        closing(sqlite3.connect(folder / "first.db", check_same_thread=False)) as first,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(webchat.store.store, "migrate", _copying(first, migrate))
        yield


Migrate = Callable[[Sqlite | Postgres, Engine, Path | None], None]


def _copying(first: sqlite3.Connection, otherwise: Migrate) -> Migrate:
    def copy(dialect: Sqlite | Postgres, engine: Engine, backup_dir: Path | None) -> None:
        if not isinstance(dialect, Sqlite) or inspect(engine).get_table_names():
            otherwise(dialect, engine, backup_dir)
            return
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            first.backup(driver)

    return copy
