"""What differs between the two kinds of database: how each is connected, locked against a second server, and
how its errors read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import IntEnum
from functools import cache
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, FromClause
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from webchat.store.database.tables.base import Base
from webchat.store.database.until import Until
from webchat.store.errors import StoreUnavailable


class Debt(IntEnum):
    """What remains to be done before no purged data is left in the files."""

    NOTHING = 0
    LOG = 1
    WORDS = 2


class Dialect(ABC):
    """The differences between the databases."""

    url: URL
    shared: ClassVar[bool] = False
    """Whether several processes may serve the database."""
    insert: ClassVar[Callable[..., Any]]

    @abstractmethod
    def engine(self, *, write: bool, size: int) -> Engine:
        """An engine with at most `size` permanent connections. Does not connect yet."""

    @abstractmethod
    def lock(self, *, alone: bool = True) -> AbstractContextManager[None]:
        """A context in which this process serves the database: alone, or beside others that do not insist on
        that. Raises DatabaseBusy."""

    @abstractmethod
    def one_at_a_time(self, name: str) -> AbstractContextManager[None]:
        """A context that one process at a time is in, of those that serve the database. Raises
        StoreUnavailable after waiting long."""

    @abstractmethod
    def bounded(self, connection: Connection, until: Until) -> AbstractContextManager[None]:
        """A context in which statements of this connection fail once `until` is over."""

    @abstractmethod
    def ended(self, error: DBAPIError) -> bool:
        """Whether the error means that."""

    @abstractmethod
    def explain(self, error: Exception) -> StoreUnavailable | None:
        """The error in words, `None` if it is a bug."""

    @abstractmethod
    def tidy_log(self) -> None:
        """Checkpoint the write-ahead log into the file, alongside the writer."""

    @abstractmethod
    def scrub_log(self, engine: Engine) -> bool:
        """Remove all traces of deleted rows from the database's log, once it is checkpointed. `False`:
        somebody still reads from the log; try again."""

    @abstractmethod
    def owe(self, connection: Connection, debt: Debt) -> None:
        """Persist what a purge has not finished yet."""

    @abstractmethod
    def owed(self, connection: Connection) -> Debt:
        """What was persisted last."""

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise a database's errors as StoreUnavailable, without SQL or values."""
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

    def insert_once(self, connection: Connection, table: type[Base], values: Mapping[str, object]) -> bool:
        """Insert unless a row with the same unique key exists, even one that another transaction is
        writing."""
        return self.insert_new(connection, table, [values]) == 1

    def insert_new(
        self, connection: Connection, table: type[Base], rows: Sequence[Mapping[str, object]]
    ) -> int:
        """Insert rows without an existing unique key; returns how many."""
        return connection.execute(_insert_new(self.insert, table.__table__), rows).rowcount


@cache
def _insert_new(insert: Callable[..., Any], table: FromClause) -> Any:
    """The statement, built once: building costs more than running it."""
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
