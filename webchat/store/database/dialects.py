"""The two kinds of database: how each is connected, locked against a second server, and how its errors
read."""

from __future__ import annotations

import logging
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    FromClause,
    NullPool,
    QueuePool,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backends.installation import add_extra
from webchat.database_url import escaped
from webchat.private_files import is_shared, kept_private, make_private
from webchat.store.database.codec import dump_json
from webchat.store.database.tables import Base
from webchat.store.database.until import Until
from webchat.store.errors import DatabaseBusy, StoreUnavailable

BUSY_SECONDS = 15
_log = logging.getLogger(__name__)
LOG_PAGES = 16_000
"""Pages in the log at which the writer itself brings it into the file, should nobody else have."""

_STEPS = 10_000
"""Of SQLite's machine between two looks at the clock, well under a millisecond."""

_LOCK_KEY = 0x77656263686174  # "webchat"
MIGRATION_KEY = _LOCK_KEY + 1
_LOCK_MS = 5000
_LOCK_NOT_AVAILABLE = "55P03"


class Debt(IntEnum):
    """What is left to do before nothing of purged rows is in the files."""

    NOTHING = 0
    LOG = 1
    WORDS = 2


class Dialect(ABC):
    """What differs between the databases, and nothing else."""

    url: URL
    insert: ClassVar[Callable[..., Any]]

    @abstractmethod
    def engine(self, *, write: bool, size: int) -> Engine:
        """An engine of at most `size` lasting connections. Connects to nothing yet."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[None]:
        """A context in which this process alone serves the database. Raises DatabaseBusy."""

    @abstractmethod
    def bounded(self, connection: Connection, until: Until) -> AbstractContextManager[None]:
        """A context in which statements of this connection end, by an error, when `until` is over."""

    @abstractmethod
    def ended(self, error: DBAPIError) -> bool:
        """Whether that is what it says."""

    @abstractmethod
    def explain(self, error: Exception) -> StoreUnavailable | None:
        """The error in words, `None` when it is a mistake of the program."""

    @abstractmethod
    def tidy_log(self) -> None:
        """Bring what was committed from the log into the file, beside the writer."""

    @abstractmethod
    def scrub_log(self, engine: Engine) -> bool:
        """Leave no trace of deleted rows in the log of the database, once it is tidied. `False`: somebody
        still reads from the log; try again."""

    @abstractmethod
    def owe(self, connection: Connection, debt: Debt) -> None:
        """Remember, beyond the end of the process, what of a purge is not done yet."""

    @abstractmethod
    def owed(self, connection: Connection) -> Debt:
        """What was remembered last."""

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise a database's errors as StoreUnavailable. Neither SQL nor values are in what is raised."""
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable("The database is too busy.", cure="Try again in a moment.") from error
        except DBAPIError as error:
            if self.ended(error):
                raise StoreUnavailable("The database took too long.", cure="Try again later.") from error
            explained = None if isinstance(error, IntegrityError) else self.explain(error)
            if explained is None:
                raise
            raise explained from error

    def insert_once(self, connection: Connection, table: type[Base], values: Mapping[str, Any]) -> bool:
        """Insert unless a unique constraint has such a row, also one that another transaction is just
        writing."""
        return self.insert_new(connection, table, [values]) == 1

    def insert_new(self, connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert those that no unique constraint has a row for; returns how many."""
        return connection.execute(_insert_new(self.insert, table.__table__), rows).rowcount


class Sqlite(Dialect):
    """SQLite in WAL mode, every commit on the disk before it returns."""

    insert = staticmethod(sqlite.insert)

    def __init__(self, url: URL) -> None:
        self.url = url
        if not url.database or url.database == ":memory:":
            raise StoreUnavailable(
                "The database must be a file.", cure="Use a path such as sqlite:////home/me/webchat.db."
            )
        self.path = Path(url.database).absolute()

    def prepare(self) -> None:
        """Make the folder and the file, which nobody else may read; SQLite gives its other files the same
        mode. Raises StoreUnavailable."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(self.path)
        except OSError as error:
            raise self._unwritable() from error
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
            self._set_pragmas(connection, write=write)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        return engine

    def _set_pragmas(self, connection: sqlite3.Connection, *, write: bool) -> None:
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
    def lock(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        # The lock is the kernel's: it ends with the process, however that ends.
        lock = FileLock(f"{self.path}.lock", blocking=False, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise DatabaseBusy(
                f"Another webchat server uses {self.path}.",
                cure="Stop it first, or choose another database for this one.",
                params={"database": str(self.path)},
            ) from None
        except OSError as error:
            raise self._unwritable() from error
        try:
            yield
        finally:
            lock.release()

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
            return self._unwritable()
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

    def _unwritable(self) -> StoreUnavailable:
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


class Postgres(Dialect):
    """PostgreSQL through psycopg 3."""

    insert = staticmethod(postgresql.insert)

    def __init__(self, url: URL) -> None:
        self.url = url.set(drivername="postgresql+psycopg")
        self.place = f"{url.host or url.query.get('host') or 'the local socket'}"
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise StoreUnavailable(
                "PostgreSQL needs an additional package.", cure=f"Install it: {add_extra('postgres')}"
            ) from error

    def engine(self, *, write: bool, size: int) -> Engine:
        return create_engine(
            self.url,
            pool_size=size,
            max_overflow=size,
            pool_timeout=60,
            pool_pre_ping=True,
            # A reader sees one snapshot: a reply folded meanwhile is not read half from each side of the
            # fold.
            isolation_level="READ COMMITTED" if write else "REPEATABLE READ",
            # Neither does it lock: under that level it would fail where somebody else has just written.
            execution_options={} if write else {"postgresql_readonly": True},
            connect_args={"connect_timeout": 10},
            json_serializer=dump_json,
            hide_parameters=True,
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        # Held by a session of its own, so it ends with the process, however that ends.
        engine = create_engine(
            self.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": 10, "keepalives_idle": 30},
        )
        with self.translating():
            connection = engine.connect()
        try:
            with self.translating():
                free = _locked(connection)
            if not free:
                raise DatabaseBusy(
                    f"Another webchat server uses the database {self.url.database} at {self.place}.",
                    cure="Stop it first, or choose another database for this one.",
                    params={"database": str(self.url.database)},
                )
            yield
        finally:
            connection.invalidate()
            connection.close()
            engine.dispose()

    @contextmanager
    def bounded(self, connection: Connection, until: Until) -> Iterator[None]:
        driver: Any = connection.connection.driver_connection
        with until.telling(driver.cancel):
            # Whoever leaves before a statement runs has nothing to cancel; the time says it to the next.
            left = max(1, int(1000 * until.left))
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {left}")
            yield

    def ended(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) == "57014"

    def explain(self, error: Exception) -> StoreUnavailable | None:
        state = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
        if state.startswith("53"):
            return StoreUnavailable(
                f"PostgreSQL at {self.place} has run out of disk space, memory or connections.",
                cure="Free some, then try again.",
            )
        if state.startswith(("28", "3D", "42501")):
            return StoreUnavailable(
                f"PostgreSQL at {self.place} rejected this user, password or database.",
                cure="Check DATABASE_URL.",
            )
        if isinstance(error, OperationalError) or state.startswith(("57P", "08", "25006")):
            return StoreUnavailable(
                f"PostgreSQL at {self.place} cannot be reached or written.",
                cure="Check that it is running and that DATABASE_URL is correct, then try again.",
            )
        return None

    # PostgreSQL recycles its log and cleans its tables by itself.
    def tidy_log(self) -> None:
        pass

    def scrub_log(self, engine: Engine) -> bool:
        return True

    def owe(self, connection: Connection, debt: Debt) -> None:
        pass

    def owed(self, connection: Connection) -> Debt:
        return Debt.NOTHING


def _locked(connection: Connection) -> bool:
    """Whether the lock of the one server could be had, within the time PostgreSQL may take to notice that
    its last holder was killed."""
    connection.exec_driver_sql(f"SET lock_timeout = {_LOCK_MS}")
    try:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            return False
        raise
    return True


@cache
def _insert_new(insert: Callable[..., Any], table: FromClause) -> Any:
    """The statement, built once: building costs more than running it."""
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


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
