"""SQLite: one file, its lock and its log."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from webchat.private_files import is_shared, kept_private, make_private
from webchat.store.database.codec import dump_json
from webchat.store.database.dialect import Debt, Dialect
from webchat.store.database.until import Until
from webchat.store.errors import DatabaseBusy, StoreUnavailable

_log = logging.getLogger(__name__)

BUSY_SECONDS = 15

LOG_PAGES = 16_000
"""Pages in the write-ahead log at which the writer itself checkpoints it, if nobody else has."""

_STEPS = 10_000
"""SQLite virtual machine instructions between two checks of the deadline, well under a millisecond."""


class Sqlite(Dialect):
    """SQLite in WAL mode; every commit is on disk before it returns."""

    insert = staticmethod(sqlite.insert)

    def __init__(self, url: URL) -> None:
        self.url = url
        if not url.database or url.database == ":memory:":
            raise StoreUnavailable(
                "The database must be a file.", cure="Use a path such as sqlite:////home/me/webchat.db."
            )
        self.path = Path(url.database).absolute()

    def prepare(self) -> None:
        """Create the folder and the file, readable only by this user; SQLite gives its other files the same
        mode. Raises StoreUnavailable."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(self.path)
        except OSError as error:
            raise self.unwritable() from error
        files = [self.path, *(Path(f"{self.path}-{kind}") for kind in ("wal", "shm", "journal"))]
        for warning in kept_private(files, shared=is_shared(self.path.parent)):
            _log.warning(warning)

    def engine(self, *, write: bool, size: int) -> Engine:
        engine = create_engine(
            self.url.set(drivername="sqlite+pysqlite"),
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0 if write else size,
            pool_timeout=60,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
            json_serializer=dump_json,
            hide_parameters=True,
        )

        # The driver's own transactions begin late and never for reads; so it begins none, and these do.
        @event.listens_for(engine, "connect")
        def connect(connection: sqlite3.Connection, _record: object) -> None:
            self.set_pragmas(connection, write)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        return engine

    def set_pragmas(self, connection: sqlite3.Connection, write: bool) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StoreUnavailable(
                f"The disk that holds {self.path} can't store a database safely.",
                cure="Put the database on a local disk (not a network folder), or use PostgreSQL.",
            )
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"journal_size_limit={64 << 20}",
            "mmap_size=0",
            f"wal_autocheckpoint={LOG_PAGES}",
            f"query_only={'OFF' if write else 'ON'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @contextmanager
    def lock(self, *, alone: bool = True) -> Iterator[None]:
        from filelock import FileLock, Timeout

        # The lock is the kernel's: it ends with the process, however that ends.
        lock = FileLock(f"{self.path}.lock", blocking=False, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise DatabaseBusy(
                f"Another webchat server uses {self.path}.",
                cure="Stop it first, or choose another database for this one. Several servers can share a"
                " PostgreSQL database, but not an SQLite file.",
                params={"database": str(self.path)},
            ) from None
        except OSError as error:
            raise self.unwritable() from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def one_at_a_time(self, name: str) -> Iterator[None]:
        yield  # no other process serves the file

    @contextmanager
    def bounded(self, connection: Connection, until: Until) -> Iterator[None]:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_progress_handler(lambda: until.over, _STEPS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)

    def ended(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlite_errorname", None) == "SQLITE_INTERRUPT"

    def explain(self, error: Exception) -> StoreUnavailable | None:
        cause = getattr(error, "orig", error)
        name = getattr(cause, "sqlite_errorname", None) or ""
        if name.startswith("SQLITE_FULL"):
            return StoreUnavailable(
                f"The disk is full: {self.path} cannot be written.", cure="Free some space, then try again."
            )
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
            return self.unwritable()
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return StoreUnavailable(
                f"The database {self.path} is damaged, or not a database.",
                cure="Replace it with a backup; nothing was changed.",
            )
        if name.startswith("SQLITE_IOERR"):
            return StoreUnavailable(
                f"A disk error occurred while {self.path} was in use.",
                cure="Check the disk and its free space.",
            )
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreUnavailable(
                f"Another program has locked {self.path}.", cure="Close it, then try again."
            )
        return None

    def unwritable(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"The database {self.path} cannot be opened or written.",
            cure="Check that its folder exists and is writable, or choose another location.",
            params={"database": str(self.path)},
        )

    def tidy_log(self) -> None:
        # On a connection of its own this copies pages while the writer goes on.
        with closing(sqlite3.connect(self.path, timeout=0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def scrub_log(self, engine: Engine) -> bool:
        with self.translating(), engine.connect() as connection:
            # Outside a transaction, which a checkpoint does not go into.
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("PRAGMA busy_timeout=0")
            try:
                ((busy, _, _),) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                driver.execute(f"PRAGMA busy_timeout={1000 * BUSY_SECONDS}")
        return not busy

    # The file's own number for applications: written with the rows, so no crash parts the two.
    def owe(self, connection: Connection, debt: Debt) -> None:
        connection.exec_driver_sql(f"PRAGMA user_version={int(debt)}")

    def owed(self, connection: Connection) -> Debt:
        return Debt(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
