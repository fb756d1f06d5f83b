"""Looks at a database without opening it as its server: safe beside one that runs, and changes nothing."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, NullPool, create_engine, func, inspect, select, text

from webchat.store.database.migrate import COPYING, known_revisions, revision_of
from webchat.store.database.postgres import WAIT_MS, Postgres
from webchat.store.database.sqlite import Sqlite
from webchat.store.database.tables.operating import DeliveryRow, WebhookRow
from webchat.store.database.urls import dialect_for
from webchat.store.errors import StoreUnavailable

WHOLE_SECONDS = 30.0
"""How long reading all of an SQLite file may take."""

_STEPS = 100_000


Tables = Literal["current", "older", "newer", "foreign", "copying"]
"""Whose they are; `foreign`: of another program, `copying`: of an unfinished copy."""


class DriverMissing(Exception):
    """The database's driver is not installed."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """server: its name and version. size: bytes. damage: the first fault, empty if none was found. whole: all
    of it was read. no_trigrams: PostgreSQL cannot search text in Chinese. failing: webhooks whose last
    attempt failed, without disabled ones; undelivered: events that webhooks are still to be told, or were
    not."""

    server: str
    size: int
    revision: str | None
    tables: Tables
    damage: str = ""
    whole: bool = False
    no_trigrams: bool = False
    failing: int = 0
    undelivered: int = 0


def check_up(url: str, *, whole: bool = False) -> Checkup | None:
    """How a database is; `None` if there is none yet. whole: read all of an SQLite file, for at most
    `WHOLE_SECONDS`. Raises DriverMissing, StoreUnavailable."""
    try:
        dialect = dialect_for(url)
    except StoreUnavailable as error:
        if isinstance(error.__cause__, ImportError):
            raise DriverMissing from error
        raise
    if isinstance(dialect, Sqlite):
        try:
            return _sqlite(dialect, whole) if dialect.path.exists() else None
        except OSError as error:
            raise dialect.unwritable() from error
    assert isinstance(dialect, Postgres)
    engine = create_engine(
        dialect.url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": 5}
    )
    with dialect.translating(), engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = {WAIT_MS}"))
        server = f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"
        size = int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
        revision, tables = _tables(connection)
        installed = connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"))
        shown = connection.scalar(text("SELECT show_trgm('你好世界')::text")) if installed else "{...}"
        failing, undelivered = _webhooks(connection, tables)
        trigrams = shown != "{}"
    return Checkup(
        server, size, revision, tables, no_trigrams=not trigrams, failing=failing, undelivered=undelivered
    )


def _sqlite(dialect: Sqlite, whole: bool) -> Checkup:
    path = dialect.path
    if not path.stat().st_size:  # made by a start that went no further
        return Checkup(f"SQLite {sqlite3.sqlite_version}", 0, None, "older")
    engine = create_engine("sqlite://", creator=lambda: _read_only(path), poolclass=NullPool)
    size = sum(one.stat().st_size for one in (path, Path(f"{path}-wal")) if one.exists())
    server = f"SQLite {sqlite3.sqlite_version}"
    try:
        with engine.connect() as connection:
            revision, tables = _tables(connection)
            failing, undelivered = _webhooks(connection, tables)
        damage, read = _integrity(path) if whole else ("", False)
    except Exception as error:
        cause = getattr(error, "orig", error)
        if not isinstance(cause, sqlite3.DatabaseError):
            raise
        damaged = getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
        if not damaged and (why := dialect.explain(cause)):
            raise why from error
        return Checkup(server, size, None, "current", damage=str(cause))
    return Checkup(
        server, size, revision, tables, damage=damage, whole=read, failing=failing, undelivered=undelivered
    )


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5, check_same_thread=False)


def _integrity(path: Path) -> tuple[str, bool]:
    """The first fault, and whether all of it was read in time."""
    deadline = time.monotonic() + WHOLE_SECONDS
    with closing(_read_only(path)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return "", False
            raise
    return ("", True) if said == "ok" else (str(said), True)


def _tables(
    connection: Connection,
) -> tuple[str | None, Tables]:
    revision, known = revision_of(connection), known_revisions()
    if revision is None:
        return None, "foreign" if inspect(connection).has_table("messages") else "older"
    if revision.startswith(COPYING):
        return revision, "copying"
    if revision not in known:
        return revision, "newer"
    return revision, "current" if revision == known[0] else "older"


def _webhooks(connection: Connection, tables: Tables) -> tuple[int, int]:
    """How many fail, and how many events are undelivered."""
    if tables != "current":
        return 0, 0
    failing = (
        select(func.count())
        .select_from(WebhookRow)
        .where(WebhookRow.problem != "", WebhookRow.disabled_at.is_(None))
    )
    undelivered = select(func.count()).select_from(DeliveryRow)
    return connection.scalar(failing) or 0, connection.scalar(undelivered) or 0
