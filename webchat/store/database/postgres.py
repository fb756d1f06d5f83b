"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, OperationalError

from backends.installation import add_extra
from webchat.store.database.codec import dump_json
from webchat.store.database.dialect import Debt, Dialect
from webchat.store.database.until import Until
from webchat.store.errors import DatabaseBusy, StoreUnavailable

_LOCK_KEY = 0x77656263686174  # "webchat"
MIGRATION_KEY = _LOCK_KEY + 1
_LOCK_MS = 5000
_LOCK_NOT_AVAILABLE = "55P03"


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
    """Whether the lock for the one server was acquired, within the time PostgreSQL may take to notice that
    its previous holder was killed."""
    connection.exec_driver_sql(f"SET lock_timeout = {_LOCK_MS}")
    try:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            return False
        raise
    return True
