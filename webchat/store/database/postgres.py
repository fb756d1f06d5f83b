"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, TextClause, create_engine, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, OperationalError

from backends.installation import add_extra
from webchat.store.database.codec import dump_json
from webchat.store.database.dialect import Debt, Dialect
from webchat.store.database.until import Until
from webchat.store.errors import DatabaseBusy, StoreUnavailable

_LOCK_KEY = 0x77656263686174  # "webchat"
MIGRATION_KEY = _LOCK_KEY + 1
_NAMED_KEY = 0x77656263  # with the hash of a name
_NAMED_MS = 120_000
_LOCK_MS = 5000
_LOCK_NOT_AVAILABLE = "55P03"
_COLLIDED = ("40P01", "40001")

IDLE_MS = 8_000
"""How long a transaction may wait for its process before PostgreSQL ends it: one that is paused holds up
nobody."""

# Some servers report commits before they are written: a crash would lose what people were shown.
_WAITS_FOR_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)

WAIT_MS = 10_000
"""How long a statement waits for a lock, longer than an idle transaction lasts: nothing waits for ever for
what an administrator does."""

WIRE = {
    "connect_timeout": 10,
    # A network that is cut is noticed before others take this process for dead.
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 12_000,
}


class Postgres(Dialect):
    """PostgreSQL through psycopg 3."""

    insert = staticmethod(postgresql.insert)
    shared = True

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
        engine = create_engine(
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
            connect_args=WIRE,
            json_serializer=dump_json,
            hide_parameters=True,
        )

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: object) -> None:
            connection.autocommit = True
            connection.execute(f"SET lock_timeout = {WAIT_MS}")
            if write:
                connection.execute(_WAITS_FOR_DISK)
                connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_MS}")
            connection.autocommit = False

        return engine

    @contextmanager
    def lock(self, *, alone: bool = True) -> Iterator[None]:
        which = "pg_advisory_lock" if alone else "pg_advisory_lock_shared"
        with self._session() as connection:
            with self.translating():
                free = _locked(connection, text(f"SELECT {which}(:key)"), {"key": _LOCK_KEY}, _LOCK_MS)
            if not free:
                raise DatabaseBusy(
                    f"Another webchat server uses the database {self.url.database} at {self.place}.",
                    cure="Stop it first, or choose another database for this one.",
                    params={"database": str(self.url.database)},
                )
            yield

    @contextmanager
    def one_at_a_time(self, name: str) -> Iterator[None]:
        with self._session() as connection:
            lock = text("SELECT pg_advisory_lock(:key, hashtext(:name))")
            with self.translating():
                if not _locked(connection, lock, {"key": _NAMED_KEY, "name": name}, _NAMED_MS):
                    raise StoreUnavailable(
                        "Another webchat server is busy with this.", cure="Try again later."
                    )
            yield

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """A session of its own for a lock, which so ends with the process, however that ends."""
        engine = create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=WIRE)
        with self.translating():
            connection = engine.connect()
        try:
            yield connection
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
        if state in (*_COLLIDED, _LOCK_NOT_AVAILABLE):
            return StoreUnavailable("The database is too busy.", cure="Try again in a moment.")
        if isinstance(error, OperationalError) or state.startswith(("57P", "08", "25006", "25P03")):
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


def _locked(connection: Connection, lock: TextClause, values: dict[str, Any], patience_ms: int) -> bool:
    """Whether a lock was acquired, within at least the time PostgreSQL may take to notice that its previous
    holder was killed."""
    connection.exec_driver_sql(f"SET lock_timeout = {patience_ms}")
    try:
        connection.execute(lock, values)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            return False
        raise
    return True
