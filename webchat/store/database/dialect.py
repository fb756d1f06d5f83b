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

from webchat.store.database.tables import Base
from webchat.store.database.until import Until
from webchat.store.errors import StoreUnavailable


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


@cache
def _insert_new(insert: Callable[..., Any], table: FromClause) -> Any:
    """The statement, built once: building costs more than running it."""
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
